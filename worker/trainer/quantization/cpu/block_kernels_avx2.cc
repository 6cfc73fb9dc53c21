#define LATHE_KERNEL_SET avx2
#include "worker/trainer/quantization/cpu/block_kernels.inc"
