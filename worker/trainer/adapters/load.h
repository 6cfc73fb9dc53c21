#pragma once
// Saved folders of whatever method, for inference: the kind is told by adapter_config.json.

#include <filesystem>

#include "common/base/result.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

enum class SavedKind {
  kLora,
  kPrefix,
  kBottleneck,
  kModel,  ///< no adapter but a whole model, as full fine-tuning saves it
};

/// kInvalidArgument when the folder is of no kind that is known.
Result<SavedKind> KindOf(const std::filesystem::path& folder);

/// How many positions a saved adapter takes in front of every sequence.
Result<std::int64_t> PositionsOf(const std::filesystem::path& folder);

/// What the folder's adapter adds to the decoder. kInvalidArgument when it does not fit the decoder
/// or is none.
Result<model::Additions> LoadAdditions(const model::Decoder& decoder,
                                       const std::filesystem::path& folder);

}  // namespace lathe::trainer::adapters
