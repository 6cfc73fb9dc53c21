#include "worker/trainer/model/weight_gradients.h"

#include <ATen/TensorOperators.h>

#include "worker/trainer/model/gradient.h"
#include "worker/trainer/model/product.h"

namespace lathe::trainer::model {

at::Tensor WeightGradients::Of(const at::Tensor& weight) const {
  return flat_.narrow(0, weight.storage_offset(), weight.numel()).view(weight.sizes());
}

void WeightGradients::AddLinear(const FusedLinear& linear, const at::Tensor& dy,
                                const at::Tensor& x) const {
  if (empty()) return;
  AddGradient({dy, x, 1, Of(linear.weight)});
  if (linear.bias.defined()) AddRows(Of(linear.bias), dy);
}

void WeightGradients::AddNorm(const at::Tensor& weight, const at::Tensor& dy, const at::Tensor& x,
                              const at::Tensor& rstd) const {
  if (empty()) return;
  const at::Tensor normed = x.to(at::kFloat) * rstd.unsqueeze(-1);
  AddRows(Of(weight), normed.mul_(dy).reshape({-1, weight.size(0)}));
}

void WeightGradients::AddEmbedding(const at::Tensor& weight, const at::Tensor& tokens,
                                   const at::Tensor& dx) const {
  if (empty()) return;
  const at::Tensor rows = dx.to(at::kFloat);
  if (dx.is_cuda()) {
    Of(weight).index_put_({tokens}, rows, true);  // Sorts, so that the order of sums is fixed.
  } else {
    Of(weight).index_add_(0, tokens, rows);
  }
}

}  // namespace lathe::trainer::model
