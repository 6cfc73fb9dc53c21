#pragma once
// Products with a quantised weight that is never dequantised in memory, on a GPU: of a few rows, as
// decoding makes them, which wait for weights to be read; and of some hundreds, as short prompts
// and small batches make them, for which writing a weight's values and reading them again would
// take as long as the product. Elsewhere, and for more rows, weights are dequantised first.

#include <span>

#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::quantization {

/// Rows above which dequantising first is taken to be faster. By calculation: on a GPU that
/// moves 4.3 TB/s a value of a 4-bit weight takes 0.6 ps to be written and read again, and each row
/// 2 / 790e12 s by the vendor's kernels against about 2 / 450e12 s by ours, which use matrix units
/// warp by warp.
inline constexpr std::int64_t kMostStoredRows = 256;

/// What is added to a product before it is rounded: scale * left right^T and a bias.
struct Added {
  at::Tensor bias = {};   ///< [columns of the result], or undefined
  at::Tensor left = {};   ///< [rows, R], contiguous in its last dimension; or undefined
  at::Tensor right = {};  ///< [columns of the result, R]
  double scale = 1;
};

/// Whether MultiplyStored can, and is worth it.
bool MultipliesStored(const QuantizedMatrix& matrix, const at::Tensor& x);

/// y = x W^T + what is added: x [rows, columns of the matrix], y [rows, rows of the matrix], both
/// contiguous in their last dimension. The same as with the dequantised weight but for the order of
/// sums.
void MultiplyStored(const QuantizedMatrix& matrix, const at::Tensor& x, const Added& added,
                    at::Tensor& y);

/// Whether MultiplyThroughStored can, and is worth it.
bool MultipliesThroughStored(std::span<const QuantizedMatrix> parts, const at::Tensor& dy);

/// dy W + what is added, where W is these matrices one below the other: dy [rows, sum of their
/// rows], contiguous in its last dimension; the result is [rows, their columns].
at::Tensor MultiplyThroughStored(std::span<const QuantizedMatrix> parts, const at::Tensor& dy,
                                 const Added& added);

}  // namespace lathe::trainer::quantization
