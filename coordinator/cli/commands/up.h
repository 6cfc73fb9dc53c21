#pragma once
// lathe up, lathe down: everything on this machine.

#include "coordinator/cli/context.h"
#include "coordinator/cli/local/settings.h"

namespace lathe::cli {

Outcome RunUp(Context& context, const UpOptions& options);

struct DownOptions {
  std::filesystem::path data_dir;  ///< empty: the default one
};
Outcome RunDown(Context& context, const DownOptions& options);

}  // namespace lathe::cli
