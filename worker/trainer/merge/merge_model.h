#pragma once
// Writes a model, with an adapter merged into its weights if wanted, as a Hugging Face folder or a
// GGUF file. Weights are read, merged and written a few rows at a time, so that a model much larger
// than the memory can be exported. The output appears as a whole or not at all.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::merge {

struct MergeOptions {
  std::filesystem::path model;                   ///< a Hugging Face folder or a GGUF file
  std::optional<std::filesystem::path> adapter;  ///< a PEFT folder; none: the model as it is
  std::filesystem::path output;                  ///< a new folder, or a new file
  std::string format;                            ///< "safetensors" or "gguf"
  /// "fp32", "bf16", "fp16", for GGUF also "q8_0"; empty: as the model has them, for GGUF fp16.
  /// Vectors are fp32 in a GGUF file whatever this says.
  std::string precision;
  /// A folder's files are not larger unless a single tensor is.
  std::uint64_t shard_bytes = std::uint64_t{5} << 30;
};

/// Where what other programs make of an output differs from the model; a sentence each.
using Notes = std::vector<std::string>;

/// kAlreadyExists when there is an output; kInvalidArgument names what does not fit: tensors that
/// are missing, layers of the adapter that the model lacks, a tokenizer that GGUF cannot express.
Result<Notes> MergeModel(const MergeOptions& options);

}  // namespace lathe::trainer::merge
