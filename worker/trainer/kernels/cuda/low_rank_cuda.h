#pragma once
// low_rank.h by kernels of our own on a GPU: the same contracts, but for the device, which is not
// asked for.

#include <ATen/core/Tensor.h>

#include <span>

#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/outer_products.h"

namespace lathe::trainer::kernels::cuda {

/// Whether type, layout and alignment are such as the kernels take.
bool Fits(const at::Tensor& x, std::span<const Projection> projections);
at::Tensor Project(const at::Tensor& x, std::span<const Projection> projections);

bool Fits(std::span<const OuterTerm> terms);
void AddOuterProducts(std::span<const OuterTerm> terms);

}  // namespace lathe::trainer::kernels::cuda
