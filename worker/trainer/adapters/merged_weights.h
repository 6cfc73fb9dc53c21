#pragma once
// What a saved LoRA adapter makes of single weights, without a decoder: W + scale * B A, with DoRA
// each row scaled to its magnitude, and the biases that it has trained. For exports that read a
// model's file row by row.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::adapters {

class MergedWeights {
 public:
  /// kInvalidArgument when the folder holds no LoRA adapter, or not everything that one needs.
  static Result<MergedWeights> Open(const std::filesystem::path& folder);

  struct Layer {
    at::Tensor a;          ///< [rank, in] fp32
    at::Tensor b;          ///< [out, rank] fp32
    at::Tensor magnitude;  ///< [out] fp32, or undefined
    double scale = 1;
  };
  /// nullptr when the layer ("model.layers.0.self_attn.q_proj") is left as it is.
  const Layer* Find(const std::string& layer) const;
  /// A layer's trained bias [out] fp32; nullptr when it has none.
  const at::Tensor* FindBias(const std::string& layer) const;
  const std::map<std::string, Layer>& layers() const { return layers_; }

 private:
  std::map<std::string, Layer> layers_;
  std::map<std::string, at::Tensor> biases_;
};

/// Turns rows `indices` of a layer's weight, fp32 [indices, in], into those of the merged weight.
void MergeRows(const MergedWeights::Layer& layer, std::span<const std::int64_t> indices,
               std::span<float> rows);

}  // namespace lathe::trainer::adapters
