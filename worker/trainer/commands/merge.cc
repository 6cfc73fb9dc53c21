#include "worker/trainer/commands/merge.h"

#include <iostream>

#include "worker/trainer/commands/report.h"
#include "worker/trainer/device/guard.h"

namespace lathe::trainer::commands {

int RunMerge(const merge::MergeOptions& options) {
  const Status status = device::Guard([&]() -> Status {
    LATHE_ASSIGN_OR_RETURN(const merge::Notes notes, merge::MergeModel(options));
    for (const std::string& note : notes) std::cerr << "note: " << note << "\n";
    return {};
  });
  return status ? 0 : Report(status.error());
}

}  // namespace lathe::trainer::commands
