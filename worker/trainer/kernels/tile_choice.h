#pragma once
// Which tile kernels this processor has, and what all who use them need. Private to this room.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstdint>

#include "common/base/check.h"
#include "worker/trainer/kernels/cpu/tiles.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

/// Which of a processor's instructions are used is decided once, so that a machine's results are
/// the same in every process. Intel's processors are left to torch: MKL is written for them, and
/// bf16 belongs to their matrix units where they have any.
inline bool HasFloat32Tiles() {
  static const bool has = __builtin_cpu_is("amd") != 0 && __builtin_cpu_supports("x86-64-v4") != 0;
  return has;
}
inline bool HasBfloat16Tiles() {
  static const bool has = __builtin_cpu_supports("x86-64-v4") != 0 &&
                          __builtin_cpu_supports("avx512bf16") != 0 &&
                          __builtin_cpu_supports("amx-bf16") == 0;
  return has;
}

template <class T>
const TileKernels<T>& Tiles();
template <>
inline const TileKernels<float>& Tiles<float>() {
  return kFloat32Tiles;
}
template <>
inline const TileKernels<Bfloat16>& Tiles<Bfloat16>() {
  return kBfloat16Tiles;
}

template <class T>
T* Data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

inline std::int64_t CeilDivide(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}
template <class T>
std::int64_t UnitsOf(std::int64_t depth) {
  return CeilDivide(depth, kElementsPerUnit<T>);
}

inline at::Tensor EmptyUnits(std::int64_t count) {
  return at::empty({count}, at::kInt);
}

/// Calls body(type tag) for a type that has kernels.
template <class Body>
void DispatchTiles(const at::Tensor& tensor, const Body& body) {
  if (tensor.scalar_type() == at::kFloat) {
    body(float{});
  } else {
    LATHE_CHECK(tensor.scalar_type() == at::kBFloat16, "products are fp32 or bf16");
    body(Bfloat16{});
  }
}

#endif

}  // namespace lathe::trainer::kernels
