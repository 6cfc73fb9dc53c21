#pragma once
// ops.h as chains of ATen operations, same contracts, for every device: what runs where there are
// no kernels of our own, and what those are compared with.

#include "worker/trainer/kernels/cross_entropy.h"
#include "worker/trainer/kernels/ops.h"

namespace lathe::trainer::kernels::aten {
#include "worker/trainer/kernels/ops_declarations.inc"
}  // namespace lathe::trainer::kernels::aten
