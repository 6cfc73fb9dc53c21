#pragma once
// What `generate` and `logits` compute with: a model, and adapters of it if wanted.

#include <filesystem>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/adapters/load.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::commands {

struct LoadedModel {
  model::Decoder decoder;
  std::vector<adapters::SavedAdapter> adapters;  ///< one a folder
  bool replaced = false;  ///< the adapter is a whole model, in the base's place
};

/// adapters: folders that runs of any method wrote. One of full fine-tuning, which takes the
/// model's place, must be the only one. options.max_positions counts tokens alone, without those of
/// prefixes, which may all stand in front of one sequence. kInvalidArgument with a finding for each
/// adapter that cannot be used.
Result<LoadedModel> LoadModel(const std::filesystem::path& model,
                              const std::vector<std::filesystem::path>& adapters,
                              model::LoadOptions options);

}  // namespace lathe::trainer::commands
