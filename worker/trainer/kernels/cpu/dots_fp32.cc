#include "worker/trainer/kernels/cpu/dots.inc"

namespace lathe::trainer::kernels {
const DotKernels<float> kFloat32Dots = kDotTable<float>;
}  // namespace lathe::trainer::kernels
