#pragma once
// Gradients of low-rank matrices: sums of outer products over all rows, by the tiles of gemm.h and
// where HasGemm says so. A gradient does not depend on the number of threads.

#include <ATen/core/Tensor.h>

#include <span>

namespace lathe::trainer::kernels {

/// gradient [R, N] (fp32, any strides) += scale * left^T right.
struct OuterTerm {
  at::Tensor left;   ///< [M, R]; a column slice of a matrix with contiguous rows
  at::Tensor right;  ///< [M, N]; likewise
  double scale = 1;
  at::Tensor gradient;
};
/// All terms at once; their gradients do not overlap.
void AddOuterProducts(std::span<const OuterTerm> terms);

}  // namespace lathe::trainer::kernels
