#pragma once
// The matrix products of the passes: by own kernels where the processor has them (kernels/gemm.h),
// else by torch. The one place that chooses.

#include <ATen/core/Tensor.h>

#include <span>

#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/outer_products.h"

namespace lathe::trainer::model {

/// x weight^T + bias + low-rank products: x [N, in], weight [out, in] with contiguous rows or
/// columns. Low-rank products reach columns of their own each; options.first_column is 0.
at::Tensor Product(kernels::PackedRows& x, const at::Tensor& weight,
                   const kernels::GemmOptions& options = {});
/// x weight^T (+ bias), where no other product takes x.
at::Tensor Product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

/// scale * x[:, columns] weight^T of each projection, side by side: [N, sum of R].
at::Tensor ProjectRows(kernels::PackedRows& x, std::span<const kernels::Projection> projections);

/// Adds each term to its gradient, in fp32 whatever type the passes compute in. Gradients do not
/// overlap.
void AddGradients(std::span<const kernels::OuterTerm> terms);
void AddGradient(const kernels::OuterTerm& term);

}  // namespace lathe::trainer::model
