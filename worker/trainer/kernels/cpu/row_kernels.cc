#include "worker/trainer/kernels/cpu/row_kernels.h"

namespace lathe::trainer::kernels {

namespace baseline {
extern const RowKernels<float> kFloat32;
extern const RowKernels<std::uint16_t> kBfloat16;
extern const RowKernels<Float16> kFloat16;
}  // namespace baseline

#if defined(__x86_64__)
namespace avx2 {
extern const RowKernels<float> kFloat32;
extern const RowKernels<std::uint16_t> kBfloat16;
extern const RowKernels<Float16> kFloat16;
}  // namespace avx2
namespace avx512 {
extern const RowKernels<float> kFloat32;
extern const RowKernels<std::uint16_t> kBfloat16;
extern const RowKernels<Float16> kFloat16;
}  // namespace avx512
#endif

namespace {

template <class T>
struct Choice {
  const RowKernels<T>& baseline;
  const RowKernels<T>& avx2;
  const RowKernels<T>& avx512;
};

template <class T>
[[maybe_unused]] const RowKernels<T>& Choose(const Choice<T>& choice) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("x86-64-v4")) return choice.avx512;
  if (__builtin_cpu_supports("x86-64-v3")) return choice.avx2;
#endif
  return choice.baseline;
}

}  // namespace

#if defined(__x86_64__)
const RowKernels<float>& Float32Kernels() {
  static const auto& kernels =
      Choose<float>({baseline::kFloat32, avx2::kFloat32, avx512::kFloat32});
  return kernels;
}
const RowKernels<std::uint16_t>& Bfloat16Kernels() {
  static const auto& kernels =
      Choose<std::uint16_t>({baseline::kBfloat16, avx2::kBfloat16, avx512::kBfloat16});
  return kernels;
}
const RowKernels<Float16>& Float16Kernels() {
  static const auto& kernels =
      Choose<Float16>({baseline::kFloat16, avx2::kFloat16, avx512::kFloat16});
  return kernels;
}
#else
const RowKernels<float>& Float32Kernels() {
  return baseline::kFloat32;
}
const RowKernels<std::uint16_t>& Bfloat16Kernels() {
  return baseline::kBfloat16;
}
const RowKernels<Float16>& Float16Kernels() {
  return baseline::kFloat16;
}
#endif

}  // namespace lathe::trainer::kernels
