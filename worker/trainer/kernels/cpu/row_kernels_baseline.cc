#define LATHE_KERNEL_SET baseline
#include "worker/trainer/kernels/cpu/row_kernels.inc"
