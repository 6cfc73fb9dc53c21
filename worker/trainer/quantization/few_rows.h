#pragma once
// Products of a few rows with a quantised weight that is never dequantised in memory: decoding on a
// GPU, which waits for weights to be read. Elsewhere, and for more rows, weights are dequantised
// first.

#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::quantization {

/// Whether MultiplyRows can.
bool MultipliesRows(const QuantizedMatrix& matrix, const at::Tensor& x);

/// y = x W^T: x [rows, columns of the matrix] contiguous, y [rows, rows of the matrix] contiguous
/// in its last dimension. The same as with the dequantised weight but for the order of sums.
void MultiplyRows(const QuantizedMatrix& matrix, const at::Tensor& x, at::Tensor& y);

}  // namespace lathe::trainer::quantization
