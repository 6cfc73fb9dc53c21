#pragma once
// The kernels for few rows of this processor (cpu/dots.h): they are there where tiles.h's are.
// Private to this room.

#include "worker/trainer/kernels/cpu/dots.h"
#include "worker/trainer/kernels/tile_choice.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

template <class T>
const DotKernels<T>& DotsOf();
template <>
inline const DotKernels<float>& DotsOf<float>() {
  return kFloat32Dots;
}
template <>
inline const DotKernels<Bfloat16>& DotsOf<Bfloat16>() {
  return kBfloat16Dots;
}

inline bool HasDots(const at::Tensor& x) {
  return HasTiles(x);
}

/// A value that is read from memory costs as much as this many multiplications.
inline constexpr std::int64_t kReadWork = 16;

#endif

}  // namespace lathe::trainer::kernels
