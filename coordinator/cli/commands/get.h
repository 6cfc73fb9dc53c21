#pragma once
// lathe get, lathe explain, lathe cancel: one job.

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

struct ExplainOptions {
  std::string job;
};
/// Why a job is in its state.
Outcome RunExplain(Context& context, const ExplainOptions& options);

}  // namespace lathe::cli
