#pragma once
// Matrix products of few rows, as decoding has them: the weight is read once, as it lies, by all
// threads. Own kernels where gemm.h has some; results depend neither on the number of threads nor
// on other rows.

#include <ATen/core/Tensor.h>

#include "worker/trainer/kernels/gemm.h"

namespace lathe::trainer::kernels {

/// Whether products of x [M, K] with weight [N, K] are computed here: few rows, contiguous rows of
/// both.
bool HasFewRowProduct(const at::Tensor& x, const at::Tensor& weight);

/// x weight^T + bias + low-rank products, [M, N]; options.first_column is 0. The low-rank products'
/// right operands have contiguous rows.
at::Tensor FewRowProduct(const at::Tensor& x, const at::Tensor& weight,
                         const GemmOptions& options = {});

}  // namespace lathe::trainer::kernels
