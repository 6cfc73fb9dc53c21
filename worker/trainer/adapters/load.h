#pragma once
// Saved folders of whatever method, for inference: the kind is told by adapter_config.json.

#include <filesystem>
#include <optional>

#include "common/base/result.h"
#include "worker/trainer/adapters/lora.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

enum class SavedKind : std::uint8_t {
  kLora,
  kPrefix,
  kBottleneck,
  kModel,  ///< no adapter but a whole model, as full fine-tuning saves it
};

/// kInvalidArgument when the folder is of no kind that is known.
Result<SavedKind> KindOf(const std::filesystem::path& folder);

/// How many positions a saved adapter takes in front of every sequence.
Result<std::int64_t> PositionsOf(const std::filesystem::path& folder);

/// An adapter in memory.
struct SavedAdapter {
  SavedKind kind = SavedKind::kLora;
  model::Additions additions;       ///< what it adds to its decoder; of a model nothing
  std::optional<LoraAdapter> lora;  ///< of kLora, which the additions are views of
};

/// The folder's adapter of the decoder. kInvalidArgument when it does not fit the decoder or is
/// none.
Result<SavedAdapter> LoadAdapter(const model::Decoder& decoder,
                                 const std::filesystem::path& folder);

}  // namespace lathe::trainer::adapters
