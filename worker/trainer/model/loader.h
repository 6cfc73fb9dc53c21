#pragma once
// Loads a decoder from a Hugging Face folder or a GGUF file: the file is mapped, and threads
// convert rows straight into the compute type at their final place in the fused weights; on their
// way to another device than the CPU, through host memory for one weight at a time. A weight
// that is missing, surplus or of the wrong shape is an error that names it and the file.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <optional>

#include "common/base/result.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::model {

struct LoadOptions {
  at::ScalarType dtype = at::kFloat;  ///< kFloat, kBFloat16 or kHalf
  at::Device device = at::kCPU;
  std::int64_t max_positions = 0;  ///< the longest sequence of any pass
  /// Of the layers' linear weights, which then exist quantised only; embeddings, norms, biases and
  /// the output head stay in the compute type.
  std::optional<quantization::QuantizationSettings> quantization = std::nullopt;
  /// Called with each layer, in order, once its weights are read and before the next one's are. It
  /// may take its linear weights away, leaving meta tensors.
  std::function<void(LayerWeights& layer)> layer_read = nullptr;
};

Result<Decoder> LoadDecoder(const std::filesystem::path& model, const LoadOptions& options);

/// The description alone, in milliseconds.
Result<ModelDescription> DescribeModel(const std::filesystem::path& model);

}  // namespace lathe::trainer::model
