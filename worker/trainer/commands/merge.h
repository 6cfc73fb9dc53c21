#pragma once
// `lathe-trainer merge`: a model with an adapter merged into its weights.

#include "worker/trainer/merge/merge_model.h"

namespace lathe::trainer::commands {

/// Returns the process's exit code.
int RunMerge(const merge::MergeOptions& options);

}  // namespace lathe::trainer::commands
