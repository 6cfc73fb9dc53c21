#pragma once
// Quantised weights by kernels of our own on a GPU; values have the bits that they have on the CPU.
// Private to this room and its tests.

#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::quantization {

/// As Dequantize. Nothing is allocated or waited for.
void DequantizeByKernels(const QuantizedMatrix& matrix, at::Tensor& out);

}  // namespace lathe::trainer::quantization
