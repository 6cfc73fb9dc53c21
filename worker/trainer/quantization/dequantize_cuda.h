#pragma once
// Dequantisation by kernels of our own on a GPU; the bits are those of the CPU. Private to this
// room and its tests.

#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::quantization {

/// As Dequantize. Nothing is allocated or waited for.
void DequantizeByKernels(const QuantizedMatrix& matrix, at::Tensor& out);

}  // namespace lathe::trainer::quantization
