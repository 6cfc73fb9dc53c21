#pragma once
// How fast whole training steps are here, by taking some: with a model that is there, so that
// everything counts that a step does beside its large products.

#include <filesystem>
#include <string>

#include "common/base/result.h"

namespace lathe::trainer::commands {

/// The rate at which LoRA steps (rank 8 on every linear layer, four rows of 128 tokens) do the
/// products that the estimator counts, FLOP/s. Takes the time of four steps and of loading the
/// model.
Result<double> MeasureSteps(const std::filesystem::path& model, const std::string& device,
                            const std::string& precision);

}  // namespace lathe::trainer::commands
