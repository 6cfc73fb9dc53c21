#pragma once
// What `generate` and `logits` compute with: a model, and an adapter of it if wanted.

#include <filesystem>
#include <optional>

#include "common/base/result.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::commands {

struct LoadedModel {
  model::Decoder decoder;
  model::Additions additions;
};

/// adapter: a folder that a run of any method wrote; full fine-tuning's takes the model's place.
/// options.max_positions counts tokens alone, without those of a prefix.
Result<LoadedModel> LoadModel(const std::filesystem::path& model,
                              const std::optional<std::filesystem::path>& adapter,
                              model::LoadOptions options);

}  // namespace lathe::trainer::commands
