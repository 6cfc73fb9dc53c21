#define LATHE_KERNEL_SET avx2
#include "worker/trainer/kernels/cpu/row_kernels.inc"
