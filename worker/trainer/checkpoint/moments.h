#pragma once
// What an optimizer carries from step to step, as a safetensors file in a checkpoint's folder.

#include <filesystem>

#include "common/base/result.h"
#include "worker/trainer/optim/optimizer.h"

namespace lathe::trainer::checkpoint {

/// Writes optimizer.safetensors; an optimizer without tensors writes nothing.
Status WriteMoments(const optim::OptimizerState& state, const std::filesystem::path& folder);
/// Fills the tensors that the state has.
Status ReadMoments(const std::filesystem::path& folder, optim::OptimizerState& state);

}  // namespace lathe::trainer::checkpoint
