#pragma once
// What happens to the agent (events, past tense) and what it wants done (actions, commands): plain
// values, without protobuf, so that the simulator can drive it too.

#include <compare>
#include <cstdint>
#include <string>
#include <variant>

#include "common/base/clock.h"

namespace lathe::worker::agent {

/// One try of a job. The attempt is the fencing number: a higher one makes the lower ones void.
struct AttemptKey {
  std::string job;
  std::uint32_t attempt = 0;
  friend auto operator<=>(const AttemptKey&, const AttemptKey&) = default;
};

/// Where an attempt stands, in the words of the coordinator.
enum class ReportPhase : std::uint8_t { kStarted, kSucceeded, kFailed, kInterrupted };

/// What a stop leaves behind.
enum class StopMode : std::uint8_t {
  kCheckpoint,  ///< TERM, a checkpoint, then a report
  kDiscard,     ///< killed at once, folder removed, no report: nobody waits for it
};

/// What a restarted daemon found in a job's folder.
enum class FoundState : std::uint8_t {
  kUnstarted,  ///< accepted, but no trainer was launched
  kRunning,    ///< its trainer was launched and has been adopted, alive or just dead
  kEnded,      ///< ended, its final report not acknowledged
};

// ---- events ----

struct StartRequested {
  AttemptKey key;
  std::string spec;  ///< opaque: handed back with Begin
};
struct StopRequested {
  AttemptKey key;
  StopMode mode;
};
struct AttemptFound {
  AttemptKey key;
  FoundState state;
  ReportPhase phase = ReportPhase::kStarted;  ///< when ended: how
  std::string spec;
};
struct TrainerStarted {
  AttemptKey key;
};
/// The trainer is gone, its files are uploaded, the end is recorded on disk.
struct AttemptEnded {
  AttemptKey key;
  ReportPhase phase;
};
/// The coordinator has acknowledged every event of an ended attempt.
struct EventsDelivered {
  AttemptKey key;
};
struct ReportAcked {
  AttemptKey key;
  ReportPhase phase;
};
/// A registration has been welcomed. It counts as a heartbeat.
struct SessionOpened {
  Duration lease;
  MonotonicInstant registration_sent;
};
struct SessionClosed {};
struct HeartbeatAcked {
  MonotonicInstant sent;
};
struct TimePassed {};

using Event = std::variant<StartRequested, StopRequested, AttemptFound, TrainerStarted,
                           AttemptEnded, EventsDelivered, ReportAcked, SessionOpened, SessionClosed,
                           HeartbeatAcked, TimePassed>;

// ---- actions ----

/// Why a trainer is killed; goes into the message of the report.
enum class KillReason : std::uint8_t { kDiscarded, kSuperseded, kLeaseExpired, kStopTimedOut };

/// Prepare the folder, fetch what is needed, launch the trainer.
struct Begin {
  AttemptKey key;
  std::string spec;
};
/// Ask the trainer to write a checkpoint and leave; ends a preparation.
struct Terminate {
  AttemptKey key;
};
/// Kill the process group at once; ends a preparation.
struct Kill {
  AttemptKey key;
  KillReason reason;
};
struct SendReport {
  AttemptKey key;
  ReportPhase phase;
};
/// The coordinator asked to stop an attempt that this node does not have: tell it so.
struct ReportUnknown {
  AttemptKey key;
};
/// The coordinator knows the end: drop what was kept to be sent again.
struct Forget {
  AttemptKey key;
  ReportPhase phase;
};
/// Remove the job's folder with all it holds; no trainer works on it.
struct Discard {
  AttemptKey key;
};

using Action = std::variant<Begin, Terminate, Kill, SendReport, ReportUnknown, Forget, Discard>;

}  // namespace lathe::worker::agent
