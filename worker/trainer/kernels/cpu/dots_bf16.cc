#include "worker/trainer/kernels/cpu/dots.inc"

namespace lathe::trainer::kernels {
const DotKernels<Bfloat16> kBfloat16Dots = kDotTable<Bfloat16>;
}  // namespace lathe::trainer::kernels
