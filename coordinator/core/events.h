#pragma once
// What happened: the only inputs of the core. Values in the past tense, made by the shell, handled
// one at a time in the order of the loop's queue. Handlers carry their names (OnJobSubmitted, ...).
//
// Order that the shell keeps for each stream of a worker: an event batch is stored before anything
// that the worker sent after it is handed on. So a report of an attempt's end comes after all of
// the attempt's events.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/domain/attempt.h"
#include "common/domain/ids.h"
#include "common/domain/job.h"
#include "common/domain/node.h"
#include "common/domain/progress.h"

namespace lathe::core {

/// Names a caller that waits for a Reply; chosen by the shell, never used twice.
using Ticket = StrongId<struct TicketTag, std::uint64_t>;

/// A stored resource that a job is made from; opaque to the core.
struct UsedResource {
  std::string kind;
  std::string key;
};

/// A checked submission. The spec's id is drawn by the shell and new.
struct JobSubmitted {
  Ticket ticket;
  domain::JobSpec spec;
  std::string configuration;         ///< the bytes behind spec.configuration_hash
  std::optional<UsedResource> used;  ///< counted in the commit that makes the job
};

struct CancelRequested {
  Ticket ticket;
  domain::JobId job;
  std::string reason;  ///< a person's words; may be empty
};

/// A worker opened a stream, or the way to an engine is open. Any older stream of the same node is
/// over.
struct NodeRegistered {
  domain::SessionId session;
  domain::NodeDescription description;
  /// What the node still has in hand: running, or ended without an acknowledgement. Empty for an
  /// engine: it is told of its jobs.
  std::vector<domain::AttemptReport> attempts;
};

struct HeartbeatReceived {
  domain::SessionId session;
  domain::NodeId node;
  std::uint64_t sequence = 0;
};

/// The stream ended. The node keeps its lease.
struct NodeDisconnected {
  domain::SessionId session;
  domain::NodeId node;
};

/// A node's trainer has told what it can do. Tokens as in JobSpec::required_features, sorted.
struct TrainerTold {
  domain::SessionId session;
  domain::NodeId node;
  std::vector<std::string> lacks;
};

struct AttemptReported {
  domain::SessionId session;
  domain::NodeId node;
  domain::AttemptReport report;
};

/// The files of a running attempt's checkpoint are stored.
struct CheckpointStored {
  domain::SessionId session;
  domain::NodeId node;
  domain::AttemptKey attempt;
  domain::Checkpoint checkpoint;
};

/// What is known of a job at its engine has changed. Answered once it is durable, with the job:
/// whoever starts it there sees whether it has been cancelled meanwhile. kAborted when the attempt
/// is over.
struct RemoteReported {
  Ticket ticket;
  domain::NodeId node;
  domain::AttemptKey attempt;
  domain::RemoteJob remote;
  bool away = false;   ///< the engine doesn't answer
  std::string detail;  ///< one sentence for people
};

/// Events of an attempt went into the job's stream; here is what they say for the job's view.
struct EventsStored {
  domain::AttemptKey attempt;
  domain::ProgressUpdate progress;
};

/// Time passed. The shell sends one at least every 250 ms: leases and back-offs are judged then.
struct Ticked {};

/// The answer to RequestSchedule, not sooner than the scheduling interval after the last one.
struct ScheduleDue {};

using Event = std::variant<JobSubmitted, CancelRequested, NodeRegistered, HeartbeatReceived,
                           NodeDisconnected, TrainerTold, AttemptReported, CheckpointStored,
                           RemoteReported, EventsStored, Ticked, ScheduleDue>;

}  // namespace lathe::core
