#pragma once
// lathe adapter pull: a finished job's adapter onto this machine.

#include <filesystem>
#include <string>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct AdapterPullOptions {
  std::string job;
  std::filesystem::path target;  ///< empty: a folder named after the job, here
  bool force = false;            ///< replace another adapter there
};

/// The folder appears complete and verified by hash, or not at all. The same adapter there already
/// is a success; anything else there a conflict.
Outcome RunAdapterPull(Context& context, const AdapterPullOptions& options);

}  // namespace lathe::cli
