#pragma once
// What one step changes for good. A commit is applied as a whole or not at all, in the order of the
// sequence numbers, and only by the coordinator that leads. It is also what readers see: whoever
// shows jobs and nodes keeps a view made of durable commits, never of the core's live state.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/attempt.h"
#include "common/domain/ids.h"
#include "common/domain/job.h"
#include "common/domain/node.h"
#include "coordinator/core/job_lifecycle.h"

namespace lathe::core {

/// The bytes behind JobSpec::configuration_hash; opaque to the core.
struct Configuration {
  std::string hash;
  std::string bytes;
};

/// The place of an entry in a job's event stream, `<attempt>-<sequence>`. Workers number theirs
/// from
/// 1. Number 0 opens an attempt and kSeal closes it: once either is stored, the stream itself
/// refuses whatever an older attempt still sends.
struct EventId {
  static constexpr std::uint64_t kSeal = UINT64_MAX;
  std::uint32_t attempt = 0;
  std::uint64_t sequence = 0;
  friend auto operator<=>(const EventId&, const EventId&) = default;
};
/// "3-17".
std::string ToString(const EventId& id);
/// The reverse; nullopt when the text is anything else.
std::optional<EventId> ParseEventId(std::string_view text);

/// The coordinator's own entry (type `state`) in a job's event stream. The ids of one job's entries
/// always grow.
struct StateEvent {
  domain::JobId job;
  EventId id;
  Instant time{};
  domain::JobState state = domain::JobState::kPending;
  domain::Reason reason;
};

/// One change of one job's state: for metrics, the log and the change feed.
struct Transition {
  domain::JobId job;
  domain::AttemptNumber attempt;
  domain::JobState from = domain::JobState::kPending;  ///< equals `to` for a new job
  domain::JobState to = domain::JobState::kPending;
  Trigger trigger = Trigger::kSubmitted;
  domain::FailureClass failure_class = domain::FailureClass::kNone;
};

/// A stored resource was used, for example by a job that was made from it. It is counted when it
/// still exists.
struct Use {
  std::string kind;
  std::string key;
  Instant time{};
};

struct Commit {
  /// 1, 2, ... within one leadership; repeating a number is harmless. 0: an empty commit.
  std::uint64_t sequence = 0;
  std::vector<domain::Job> jobs;    ///< whole new records; stored before: revision - 1
  std::vector<domain::Node> nodes;  ///< likewise
  std::vector<Configuration> configurations;
  std::vector<StateEvent> state_events;
  std::vector<Use> uses;
  std::vector<Transition> transitions;

  bool Empty() const { return sequence == 0; }
};

}  // namespace lathe::core
