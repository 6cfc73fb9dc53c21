#pragma once
// The matrix product of a linear layer's base weight, by the library that is faster at it on this
// machine. Within one machine the choice is the same in every process, so that results are, too.

#include <ATen/core/Tensor.h>

namespace lathe::trainer::model {

/// x weight^T (+ bias): x [N, in], weight [out, in] of any strides, bias [out] or undefined.
at::Tensor Product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

/// Whether torch has been built with oneDNN.
bool HasOneDnn();
/// The same by oneDNN, which must be there; fp32 on a CPU, N > 0.
at::Tensor OneDnnProduct(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace lathe::trainer::model
