#pragma once
// Gradients of matrices: sums of outer products over all rows, by the tiles of gemm.h. A gradient
// does not depend on the number of threads.

#include <ATen/core/Tensor.h>

#include <span>

namespace lathe::trainer::kernels {

/// gradient [R, N] (fp32; contiguous rows or columns, or a slice of some) += scale * left^T right.
struct OuterTerm {
  at::Tensor left;   ///< [M, R]; a column slice of a matrix with contiguous rows
  at::Tensor right;  ///< [M, N]; likewise
  double scale = 1;
  at::Tensor gradient;
};
/// Whether a term is computed here: on a CPU whose kernels know the type, and lying as said.
bool HasOuterProduct(const OuterTerm& term);
/// All terms at once; their gradients do not overlap.
void AddOuterProducts(std::span<const OuterTerm> terms);

}  // namespace lathe::trainer::kernels
