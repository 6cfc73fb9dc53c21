#pragma once
// A decoder's weights as a Hugging Face folder that other programs load: model.safetensors (in
// shards when it is large), config.json, and the tokenizer's files as the source has them.

#include <cstdint>
#include <filesystem>

#include "common/base/result.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::exporting {

struct ModelFolderSettings {
  /// The model that the decoder was loaded from: a folder or a GGUF file.
  std::filesystem::path source;
  std::int64_t shard_bytes = std::int64_t{5} << 30;  ///< the size of a file, at most
};

/// kInvalidArgument when a folder cannot be made of this source, known before anything is computed.
Status CheckModelFolder(const model::Decoder& decoder, const std::filesystem::path& source);

/// Writes into an existing folder, durably. Weights keep the decoder's type.
Status WriteModelFolder(const model::Decoder& decoder, const ModelFolderSettings& settings,
                        const std::filesystem::path& folder);

}  // namespace lathe::trainer::exporting
