#include "worker/trainer/commands/merge.h"

#include "worker/trainer/commands/report.h"
#include "worker/trainer/device/guard.h"

namespace lathe::trainer::commands {

int RunMerge(const merge::MergeOptions& options) {
  const Status status = device::Guard([&] { return merge::MergeModel(options); });
  return status ? 0 : Report(status.error());
}

}  // namespace lathe::trainer::commands
