#pragma once
// Quantised weights by kernels of our own on a GPU; values have the bits that they have on the CPU.
// Private to this room and its tests.

#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::quantization {

/// As Dequantize. Nothing is allocated or waited for.
void DequantizeByKernels(const QuantizedMatrix& matrix, at::Tensor& out);

/// As MultiplyRows, of what fits: few rows, and lengths and places that are read in whole pieces.
bool FitsRowKernels(const QuantizedMatrix& matrix, const at::Tensor& x);
void MultiplyRowsByKernels(const QuantizedMatrix& matrix, const at::Tensor& x, at::Tensor& y);

}  // namespace lathe::trainer::quantization
