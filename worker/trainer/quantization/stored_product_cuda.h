#pragma once
// The products of stored_product.h by kernels of our own on a GPU. Private to this room and its
// tests.

#include <span>

#include "worker/trainer/quantization/stored_product.h"

namespace lathe::trainer::quantization {

/// Of numbers of rows, lengths and places that kernels read in whole pieces.
bool FitsStoredKernels(const QuantizedMatrix& matrix, const at::Tensor& x);
void MultiplyStoredByKernels(const QuantizedMatrix& matrix, const at::Tensor& x, const Added& added,
                             at::Tensor& y);

bool FitsThroughStoredKernels(std::span<const QuantizedMatrix> parts, const at::Tensor& dy);
at::Tensor MultiplyThroughStoredByKernels(std::span<const QuantizedMatrix> parts,
                                          const at::Tensor& dy, const Added& added);

}  // namespace lathe::trainer::quantization
