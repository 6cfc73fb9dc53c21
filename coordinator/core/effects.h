#pragma once
// What the shell must do because of a step. An Outcome is a commit and the effects that may be seen
// by others only once it is durable.
//
// The contract of the shell (the one loop):
//  1. Outcomes keep their order. Many may be collected and committed in one round trip.
//  2. The after_commit effects of an outcome go out only when its own commit and those of all
//     outcomes before it are durable; also when its own is empty (a repeated submission may be
//     answered only after the first one's commit).
//  3. When the store is unreachable, the same commits are tried again, for ever, and no further
//     event is stepped: the live state is ahead of the disk and must not run away from it.
//  4. When the store refuses (kAborted: another coordinator leads, or a record is not as this one
//     left it), the live state is worthless. Nothing is sent and the process exits.
//  5. After a crash between commit and effects nothing is lost: callers repeat their request
//  (request
//     ids), workers register again with the attempts they have, and the core reconciles.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/domain/attempt.h"
#include "common/domain/ids.h"
#include "common/domain/job.h"
#include "coordinator/core/commit.h"
#include "coordinator/core/events.h"

namespace lathe::core {

// ---- commands to a worker ----

/// Always the first on a stream.
struct Welcome {};

struct AcknowledgeHeartbeat {
  std::uint64_t sequence = 0;
};

/// The effect runner adds what only the store knows: the configuration's bytes by
/// spec.configuration_hash and, when the attempt is not the first, the reported step by
/// Store::HighestMetricStep. It must read the latter after the commit: from then on the job's
/// stream refuses older attempts, so the step read is final.
struct StartAttempt {
  domain::AttemptNumber attempt;
  domain::JobSpec spec;
  domain::Checkpoint checkpoint;
  std::vector<std::uint32_t> gpus;
  /// Of a job of an engine: what is known of it there. Not empty when the attempt is not new: it is
  /// to be followed.
  domain::RemoteJob remote;
};

enum class StopMode : std::uint8_t {
  kCheckpoint,  ///< TERM, a checkpoint, then a report
  kDiscard,     ///< kill at once and remove the folder: nobody waits for this attempt
};

struct StopAttempt {
  domain::AttemptKey attempt;
  StopMode mode = StopMode::kDiscard;
};

/// The report is durably recorded, or refused as stale: the worker may forget it.
struct AcknowledgeReport {
  domain::AttemptKey attempt;
  domain::AttemptPhase phase = domain::AttemptPhase::kStarted;
};

using NodeCommand =
    std::variant<Welcome, AcknowledgeHeartbeat, StartAttempt, StopAttempt, AcknowledgeReport>;

// ---- effects ----

/// Dropped when that stream is over: the node's next registration sorts it out.
struct SendToNode {
  domain::SessionId session;
  domain::NodeId node;
  NodeCommand command;
};

/// End that stream with ABORTED and this sentence; a worker that is alive opens a new one.
struct CloseSession {
  domain::SessionId session;
  domain::NodeId node;
  std::string reason;
};

struct Reply {
  Ticket ticket;
  Result<domain::Job> result;
};

/// Something changed that may let a job start: send ScheduleDue soon. Asking twice is asking once.
struct RequestSchedule {};

using Effect = std::variant<SendToNode, CloseSession, Reply, RequestSchedule>;

struct Outcome {
  Commit commit;
  std::vector<Effect> after_commit;
};

}  // namespace lathe::core
