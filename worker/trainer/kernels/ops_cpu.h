#pragma once
// The CPU side of ops.h, same contracts; rows are divided among the threads of ATen's pool.

#include "worker/trainer/kernels/cross_entropy.h"
#include "worker/trainer/kernels/ops.h"

namespace lathe::trainer::kernels::cpu {
#include "worker/trainer/kernels/ops_declarations.inc"
}  // namespace lathe::trainer::kernels::cpu
