#pragma once
// Who computes ops.h on a device other than the CPU in this build: kernels of our own where they
// have been compiled for it, chains of ATen operations otherwise. Private to this room.

#if defined(LATHE_CUDA_KERNELS)
#include "worker/trainer/kernels/cuda/ops_cuda.h"
namespace lathe::trainer::kernels {
namespace accelerator = cuda;
}
#else
#include "worker/trainer/kernels/ops_aten.h"
namespace lathe::trainer::kernels {
namespace accelerator = aten;
}
#endif
