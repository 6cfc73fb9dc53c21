#define LATHE_KERNEL_SET avx512
#include "worker/trainer/quantization/cpu/block_kernels.inc"
