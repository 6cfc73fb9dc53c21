#pragma once
// ops.h by kernels of our own on a GPU, same contracts.

#include "worker/trainer/kernels/cross_entropy.h"
#include "worker/trainer/kernels/ops.h"

namespace lathe::trainer::kernels::cuda {
#include "worker/trainer/kernels/ops_declarations.inc"
}  // namespace lathe::trainer::kernels::cuda
