#pragma once
// Low-rank products on a GPU, all of a group at once: by kernels of our own where this build has
// them for the device and they take the operands; elsewhere Has... says no and torch's products are
// to be used. Sums are fp32, in an order that follows from the shapes alone.

#include <ATen/core/Tensor.h>

#include <span>

#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/outer_products.h"

namespace lathe::trainer::kernels {

bool HasFusedProjections(const at::Tensor& x, std::span<const Projection> projections);
/// What Project computes; scales are applied before results are rounded.
at::Tensor FusedProjections(const at::Tensor& x, std::span<const Projection> projections);

bool HasFusedOuterProducts(std::span<const OuterTerm> terms);
/// What AddOuterProducts computes.
void AddFusedOuterProducts(std::span<const OuterTerm> terms);

}  // namespace lathe::trainer::kernels
