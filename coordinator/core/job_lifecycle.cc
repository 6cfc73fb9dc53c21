#include "coordinator/core/job_lifecycle.h"

#include <algorithm>
#include <array>

namespace lathe::core {
namespace {

using domain::JobState;

constexpr std::array kLegalChanges = {
    LegalChange{JobState::kPending, Trigger::kSubmitted, JobState::kPending},
    LegalChange{JobState::kPending, Trigger::kAssigned, JobState::kStarting},
    LegalChange{JobState::kPending, Trigger::kCancelled, JobState::kCancelled},
    LegalChange{JobState::kStarting, Trigger::kTrainerStarted, JobState::kRunning},
    // The report of the start may be lost, or overtaken by that of the end.
    LegalChange{JobState::kStarting, Trigger::kSucceeded, JobState::kSucceeded},
    LegalChange{JobState::kStarting, Trigger::kFailed, JobState::kFailed},
    LegalChange{JobState::kStarting, Trigger::kFaulted, JobState::kPending},
    LegalChange{JobState::kStarting, Trigger::kInterrupted, JobState::kPending},
    LegalChange{JobState::kStarting, Trigger::kAttemptLost, JobState::kPending},
    LegalChange{JobState::kStarting, Trigger::kCancelled, JobState::kCancelled},
    LegalChange{JobState::kRunning, Trigger::kSucceeded, JobState::kSucceeded},
    LegalChange{JobState::kRunning, Trigger::kFailed, JobState::kFailed},
    LegalChange{JobState::kRunning, Trigger::kFaulted, JobState::kPending},
    LegalChange{JobState::kRunning, Trigger::kInterrupted, JobState::kPending},
    LegalChange{JobState::kRunning, Trigger::kAttemptLost, JobState::kPending},
    LegalChange{JobState::kRunning, Trigger::kCancelled, JobState::kCancelled},
};

}  // namespace

std::string_view ToString(Trigger trigger) {
  switch (trigger) {
    case Trigger::kSubmitted:
      return "submitted";
    case Trigger::kAssigned:
      return "assigned";
    case Trigger::kTrainerStarted:
      return "trainer_started";
    case Trigger::kSucceeded:
      return "succeeded";
    case Trigger::kFailed:
      return "failed";
    case Trigger::kFaulted:
      return "faulted";
    case Trigger::kInterrupted:
      return "interrupted";
    case Trigger::kAttemptLost:
      return "attempt_lost";
    case Trigger::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

std::span<const LegalChange> LegalChanges() {
  return kLegalChanges;
}

std::optional<JobState> NextState(JobState from, Trigger trigger) {
  const auto found = std::find_if(
      kLegalChanges.begin(), kLegalChanges.end(),
      [&](const LegalChange& change) { return change.from == from && change.trigger == trigger; });
  if (found == kLegalChanges.end()) return std::nullopt;
  return found->to;
}

}  // namespace lathe::core
