#pragma once
// lathe get, lathe cancel: one job.

#include <string>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct GetOptions {
  std::string job;  ///< id or the unique beginning of one
};
Outcome RunGet(Context& context, const GetOptions& options);

struct CancelOptions {
  std::string job;
  std::string reason;
};
/// Cancelling a cancelled job succeeds; one that has ended otherwise is a conflict.
Outcome RunCancel(Context& context, const CancelOptions& options);

}  // namespace lathe::cli
