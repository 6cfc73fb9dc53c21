#pragma once
// A saved adapter of whatever kind, for inference: the kind is told by its adapter_config.json.

#include <filesystem>

#include "common/base/result.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

/// What the folder's adapter adds to the decoder. kInvalidArgument when it is of a kind that is not
/// known, or does not fit the decoder.
Result<model::Additions> LoadAdditions(const model::Decoder& decoder,
                                       const std::filesystem::path& folder);

}  // namespace lathe::trainer::adapters
