#pragma once
// Sums into fp32 gradients, whatever type the passes compute in. Private to this room.

#include <ATen/core/Tensor.h>

namespace lathe::trainer::model {

/// gradient [H] += the sum of the rows of x [N, H].
void AddRows(const at::Tensor& gradient, const at::Tensor& x);

}  // namespace lathe::trainer::model
