#pragma once
// The exit codes of `lathe`: scripts rely on them. The only place that turns an error into one.

#include "common/base/error.h"

namespace lathe::cli {

enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,  ///< also: the watched job failed
  kUsage = 2,
  kNotFound = 3,
  kDenied = 4,
  kUnavailable = 5,  ///< or timed out
  kInvalid = 6,      ///< invalid configuration
  kConflict = 7,
  kUnplaceable = 8,  ///< nothing has room for it
  kWaitTimedOut = 124,
  kInterrupted = 130,
};

ExitCode ExitCodeOf(ErrorCode code);

}  // namespace lathe::cli
