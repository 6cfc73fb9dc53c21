#pragma once
// What an export consists of: every tensor of the output, where its values come from and what is
// merged into it. Private to this room.

#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/adapters/merged_weights.h"
#include "worker/trainer/formats/tensor_spec.h"
#include "worker/trainer/merge/merge_model.h"
#include "worker/trainer/model/description.h"
#include "worker/trainer/model/model_file.h"

namespace lathe::trainer::merge {

struct OutputTensor {
  formats::TensorSpec spec;
  const formats::TensorInfo* source = nullptr;
  std::string layer;  ///< "model.layers.0.self_attn.q_proj" of its weight or bias
  bool is_bias = false;
  /// Head sizes by which rows lie in the order of interleaved rotary pairs; 0: half-split order.
  std::int64_t source_interleaved = 0;
  std::int64_t output_interleaved = 0;
  double offset = 0;  ///< what the output holds is larger by this
};

/// The type that a precision's name stands for; nullopt for an empty one.
Result<std::optional<formats::DType>> ParsePrecision(const MergeOptions& options);

/// All tensors of a Hugging Face folder, from one.
Result<std::vector<OutputTensor>> FolderTensors(const model::ModelFile& source,
                                                const adapters::MergedWeights& merged,
                                                std::optional<formats::DType> precision);

/// Likewise, from a GGUF file; all of one type.
Result<std::vector<OutputTensor>> FolderTensorsOfGguf(const model::ModelFile& source,
                                                      const model::ModelDescription& description,
                                                      const adapters::MergedWeights& merged,
                                                      formats::DType precision);

/// All tensors of a GGUF file, from either kind of model.
Result<std::vector<OutputTensor>> GgufTensors(const model::ModelFile& source,
                                              const model::ModelDescription& description,
                                              const adapters::MergedWeights& merged,
                                              formats::DType precision);

}  // namespace lathe::trainer::merge
