#pragma once
// Cross-entropy row by row, where each row has a scale of its own.

#include <ATen/core/Tensor.h>

namespace lathe::trainer::kernels {

/// Both where the logits are.
struct RowLosses {
  at::Tensor losses;  ///< fp32 [M]: -log softmax(capped logits)[target]
  at::Tensor hits;    ///< fp32 [M]: 1 where no other logit is larger than the target's, else 0
};

/// Row i of the logits [M, V] becomes its gradient (without a cap: softmax - onehot) times
/// scales[i]; scales is fp32 [M], or undefined: the logits are left alone. targets is int64 [M].
RowLosses CrossEntropyRows(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& scales,
                           double soft_cap = 0);

}  // namespace lathe::trainer::kernels
