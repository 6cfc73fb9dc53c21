#pragma once
// Linear layers that read the same input, computed as one matrix product (q, k, v; gate, up), and
// the low-rank additions on their outputs. The base weight is frozen: the backward pass computes
// gradients for the input and for the low-rank matrices only.
//
//   y[:, part] = x W_part^T (+ bias) + scale * (dropout(x) A_part^T) B_part^T
//
// With DoRA (https://arxiv.org/abs/2402.09353), c = magnitude / ||W + scale * B A|| of each row,
// taken as a constant in the backward pass except for the magnitude:
//
//   y = x W^T + (c - 1) * dropout(x) W^T + c * scale * (dropout(x) A^T) B^T (+ bias)
//
// Composed adapters, some of them with DoRA (see adapters/composition.h), with f of each row:
//
//   y = f * x W^T + scale * (x A^T) B^T (+ bias)

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "worker/trainer/kernels/kept_panels.h"
#include "worker/trainer/quantization/matrix.h"
#include "worker/trainer/quantization/scratch.h"

namespace lathe::trainer::model {

/// One linear layer within a fused weight: rows [begin, begin + size) of it.
struct LinearPart {
  std::string name;  ///< as in Hugging Face modules: "model.layers.0.self_attn.q_proj"
  std::int64_t begin = 0;
  std::int64_t size = 0;
};

struct FusedLinear {
  /// [out, in] in the compute type. Of a quantised layer a meta tensor: its shape, no memory.
  at::Tensor weight;
  at::Tensor bias;  ///< [out], or undefined
  std::vector<LinearPart> parts;
  std::vector<quantization::QuantizedMatrix> quantized;  ///< one a part; empty: dense
  std::shared_ptr<quantization::Scratch> scratch;        ///< of a quantised layer; a decoder's
  /// Of the weight as the gradient of the input takes it; null: packed for each product.
  std::shared_ptr<kernels::KeptPanels> kept;
};

/// The whole weight in a compute type: the stored one, or a quantised one's values in its scratch,
/// to be let go of as soon as the product is computed.
at::Tensor DenseWeight(const FusedLinear& linear, at::ScalarType dtype);

/// The low-rank matrices of one part. Tensors are views into an adapter's flat storage.
struct LowRankPart {
  std::int64_t begin = 0;   ///< first output column
  std::int64_t size = 0;    ///< output columns
  std::int64_t offset = 0;  ///< first row within the group's stacked A
  std::int64_t rank = 0;
  double scale = 1;
  at::Tensor b;                   ///< [size, rank] in the compute type
  at::Tensor b_gradient;          ///< [size, rank] fp32; undefined for inference
  at::Tensor magnitude_gradient;  ///< [size] fp32; undefined for inference and without DoRA
};

/// DoRA's scales of a whole fused layer, fp32.
struct RowScales {
  at::Tensor factor;        ///< [out]: magnitude / norm, 1 in rows without low-rank matrices
  at::Tensor inverse_norm;  ///< [out]: 1 / norm
};

/// A trained bias of one part.
struct BiasPart {
  std::int64_t begin = 0;
  std::int64_t size = 0;
  at::Tensor gradient;  ///< [size] fp32; undefined for inference
};

/// What is trained of a FusedLinear; parts without any are absent.
struct LowRankGroup {
  at::Tensor a;           ///< [sum of ranks, in], stacked, in the compute type; or undefined
  at::Tensor a_gradient;  ///< the same shape, fp32; undefined for inference
  std::vector<LowRankPart> parts;
  std::optional<RowScales> scales = std::nullopt;  ///< with DoRA
  at::Tensor bias = {};  ///< [out] in the compute type, instead of the layer's own; or undefined
  std::vector<BiasPart> biases = {};
  /// [out] fp32, what x W^T alone is multiplied by: of composed adapters, which are not trained; or
  /// undefined. Excludes `scales`.
  at::Tensor base_factor = {};
};

/// What the backward pass of one FusedLinear needs beside its input.
struct LinearTape {
  at::Tensor low_rank;      ///< dropout(x) A^T, [N, sum of ranks]; undefined without matrices
  at::Tensor unscaled;      ///< what DoRA's factor multiplies, [N, out]; undefined without DoRA
  at::Tensor dropout_mask;  ///< [N, in], 0 or 1/keep; undefined without dropout
};

/// group may be nullptr. tape may be nullptr for inference; its mask, when set, is applied.
at::Tensor Forward(const FusedLinear& linear, const LowRankGroup* group, const at::Tensor& x,
                   LinearTape* tape);

/// What the backward pass of one FusedLinear is to compute.
struct LinearBackward {
  const at::Tensor& dy;  ///< [N, out]
  const at::Tensor& x;   ///< [N, in]; may be undefined without a group
  const LinearTape& tape;
  bool input_gradient = true;
  /// Where x is not known yet: takes what AddGradientOfA needs, if the group has an A.
  at::Tensor* for_a = nullptr;
};
/// Adds to the group's gradients; returns dx [N, in], undefined unless asked for.
at::Tensor Backward(const FusedLinear& linear, const LowRankGroup* group,
                    const LinearBackward& arguments);
/// What Backward has left for later.
void AddGradientOfA(const LowRankGroup& group, const at::Tensor& for_a, const at::Tensor& x,
                    const LinearTape& tape);

}  // namespace lathe::trainer::model
