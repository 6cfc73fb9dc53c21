#pragma once
// The identifiers of the control plane, each its own type so that swapped arguments do not compile.

#include <cstdint>
#include <string>

#include "common/base/strong_id.h"

namespace lathe::domain {

/// "job-" and 12 characters, drawn by whoever accepts the submission.
using JobId = StrongId<struct JobIdTag, std::string>;
/// Stable over restarts of the worker daemon.
using NodeId = StrongId<struct NodeIdTag, std::string>;
/// Counts the tries of a job from 1; 0 = none yet. Also the fencing number: what is said about a
/// lower number than the job's present one is refused.
using AttemptNumber = StrongId<struct AttemptNumberTag, std::uint32_t>;
/// One stream of one worker; never used twice within a process. 0 = no stream.
using SessionId = StrongId<struct SessionIdTag, std::uint64_t>;

/// One try of one job.
struct AttemptKey {
  JobId job;
  AttemptNumber attempt;
  friend auto operator<=>(const AttemptKey&, const AttemptKey&) = default;
};

}  // namespace lathe::domain
