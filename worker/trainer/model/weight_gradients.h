#pragma once
// Gradients of a decoder's own weights, for full fine-tuning. The weights are then views into one
// flat tensor, and the gradient of each lies at the same place of another: whoever holds a weight
// finds its gradient, and the passes need no second description of the model. Empty for a frozen
// base, when every function does nothing. A plain value; not thread-safe.

#include <ATen/core/Tensor.h>

#include "worker/trainer/model/linear.h"

namespace lathe::trainer::model {

class WeightGradients {
 public:
  WeightGradients() = default;
  /// flat: fp32, as long as the tensor that the weights are views of.
  explicit WeightGradients(at::Tensor flat) : flat_(std::move(flat)) {}

  bool empty() const { return !flat_.defined(); }

  /// Weight and bias of y = x W^T + b, from dy [N, out] and x [N, in].
  void AddLinear(const FusedLinear& linear, const at::Tensor& dy, const at::Tensor& x) const;
  /// The weight [H] of a norm y = x * rstd * (offset + weight), from dy and x [..., H] and rstd of
  /// the leading sizes.
  void AddNorm(const at::Tensor& weight, const at::Tensor& dy, const at::Tensor& x,
               const at::Tensor& rstd) const;
  /// Rows of an embedding [vocabulary, H] that was read at tokens [N], from dx [N, H].
  void AddEmbedding(const at::Tensor& weight, const at::Tensor& tokens, const at::Tensor& dx) const;

 private:
  at::Tensor Of(const at::Tensor& weight) const;

  at::Tensor flat_;
};

}  // namespace lathe::trainer::model
