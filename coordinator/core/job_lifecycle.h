#pragma once
// The one table of legal changes of a job's state. Whoever changes a state asks it; anything that
// is not in it is a bug. The README's diagram is tested against it.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/domain/job_state.h"

namespace lathe::core {

enum class Trigger : std::uint8_t {
  kSubmitted,       ///< makes the job; only in Transition
  kAssigned,        ///< the scheduler gave it a place
  kTrainerStarted,  ///< the worker started, or adopted, its trainer
  kSucceeded,
  kFailed,       ///< for good: user error, out of memory, too many faults
  kFaulted,      ///< failed, will be tried again
  kInterrupted,  ///< left with a checkpoint
  kAttemptLost,  ///< the node went silent, or came back without it
  kCancelled,    ///< its cancellation is complete
};
std::string_view ToString(Trigger trigger);

struct LegalChange {
  domain::JobState from;
  Trigger trigger;
  domain::JobState to;
};

/// Every legal change, once.
std::span<const LegalChange> LegalChanges();

/// The state after the trigger; nullopt when it is not legal.
std::optional<domain::JobState> NextState(domain::JobState from, Trigger trigger);

}  // namespace lathe::core
