#pragma once
// The states of a job, as a user sees them. Which change is legal when is said in one place:
// coordinator/core/job_lifecycle.h.

#include <cstdint>
#include <string_view>

namespace lathe::domain {

/// Persisted and equal to lathe.v1.JobState: never renumber.
enum class JobState : std::uint8_t {
  kPending = 1,
  kStarting = 2,
  kRunning = 3,
  kPaused = 4,
  kSucceeded = 5,
  kFailed = 6,
  kCancelled = 7,
};

/// "pending", "starting", ...
std::string_view ToString(JobState state);

/// Succeeded, failed, cancelled: never left again.
constexpr bool IsFinal(JobState state) {
  return state >= JobState::kSucceeded;
}

/// An attempt is in a node's hands: it holds a node's resources.
constexpr bool IsLive(JobState state) {
  return state == JobState::kStarting || state == JobState::kRunning;
}

}  // namespace lathe::domain
