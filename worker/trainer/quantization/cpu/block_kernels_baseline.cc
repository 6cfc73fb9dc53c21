#define LATHE_KERNEL_SET baseline
#include "worker/trainer/quantization/cpu/block_kernels.inc"
