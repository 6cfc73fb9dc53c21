#pragma once
// What a worker says about one attempt. The numbers equal those of lathe.v1.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "common/domain/artifact.h"
#include "common/domain/ids.h"

namespace lathe::domain {

enum class AttemptPhase : std::uint8_t {
  kStarted = 1,
  kSucceeded = 2,
  kFailed = 3,
  kInterrupted = 4,
};
std::string_view ToString(AttemptPhase phase);

enum class FailureClass : std::uint8_t {
  kNone = 0,
  kUser = 1,  ///< plan, model or data is wrong: never retried
  kOutOfMemory = 2,
  kFault = 3,  ///< trainer crash or node fault: retried
};
std::string_view ToString(FailureClass failure_class);

struct AttemptReport {
  AttemptKey key;
  AttemptPhase phase = AttemptPhase::kStarted;
  FailureClass failure_class = FailureClass::kNone;  ///< set exactly when failed
  std::string message;                               ///< when failed
  std::vector<Finding> findings;                     ///< when failed
  Manifest adapter;                                  ///< when succeeded: uploaded already
  Checkpoint checkpoint;                             ///< the newest one, uploaded; step 0: none
};

}  // namespace lathe::domain
