#pragma once
// The matrix product of a linear layer's base weight: by own kernels on processors that have them
// (kernels/gemm.h), else by torch.

#include <ATen/core/Tensor.h>

namespace lathe::trainer::model {

/// x weight^T (+ bias): x [N, in], weight [out, in] with contiguous rows or columns, bias [out] or
/// undefined.
at::Tensor Product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

}  // namespace lathe::trainer::model
