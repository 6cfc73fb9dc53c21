#define LATHE_KERNEL_SET avx512
#include "worker/trainer/kernels/cpu/row_kernels.inc"
