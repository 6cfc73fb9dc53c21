#pragma once
// Cross-entropy row by row, where each row has a scale of its own.

#include <ATen/core/Tensor.h>

namespace lathe::trainer::kernels {

/// -log softmax(capped logits)[target] of each row, fp32 [M]. Row i of the logits [M, V] becomes
/// its gradient (without a cap: softmax - onehot) times scales[i]; scales is fp32 [M], or
/// undefined: the logits are left alone. targets is int64 [M].
at::Tensor CrossEntropyRows(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& scales,
                            double soft_cap = 0);

}  // namespace lathe::trainer::kernels
