#pragma once
// lathe watch: follow a job until it ends.

#include <optional>
#include <string>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct WatchOptions {
  std::string job;
  std::optional<double> timeout_seconds;
};

/// kOk when the job succeeded, kFailed when it failed or was cancelled, kWaitTimedOut,
/// kInterrupted. A lost connection is made again; the job itself never notices its watchers.
Outcome RunWatch(Context& context, const WatchOptions& options);

}  // namespace lathe::cli
