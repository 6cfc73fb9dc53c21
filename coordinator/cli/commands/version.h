#pragma once
// lathe version: this program's version and the coordinator's.

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct VersionOptions {
  bool client_only = false;  ///< do not ask the coordinator
};
/// Prints its own version even when the coordinator cannot be reached, then fails.
Outcome RunVersion(Context& context, const VersionOptions& options);

}  // namespace lathe::cli
