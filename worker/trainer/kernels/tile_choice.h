#pragma once
// Which tile kernels this processor has, and what all who use them need. Private to this room.

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>

#include <cstdint>

#include "common/base/check.h"
#include "worker/trainer/kernels/cpu/tiles.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

/// Kernels of a type, or nullptr where torch is used.
struct TileChoice {
  const TileKernels<float>* fp32 = nullptr;
  const TileKernels<Bfloat16>* bf16 = nullptr;
};
/// See cpu_kernels.h.
const TileChoice& UsedTiles();

/// Whether tiles are for tensors like this one.
inline bool HasTiles(const at::Tensor& x) {
  if (!x.is_cpu()) return false;
  return x.scalar_type() == at::kFloat
             ? UsedTiles().fp32 != nullptr
             : x.scalar_type() == at::kBFloat16 && UsedTiles().bf16 != nullptr;
}

template <class T>
const TileKernels<T>& Tiles();
template <>
inline const TileKernels<float>& Tiles<float>() {
  return *UsedTiles().fp32;
}
template <>
inline const TileKernels<Bfloat16>& Tiles<Bfloat16>() {
  return *UsedTiles().bf16;
}

/// While it lives, its thread may multiply.
template <class T>
class TileScope {
 public:
  TileScope() : kernels_(Tiles<T>()) {
    if (kernels_.enter != nullptr) kernels_.enter();
  }
  ~TileScope() {
    if (kernels_.leave != nullptr) kernels_.leave();
  }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;

 private:
  const TileKernels<T>& kernels_;
};

template <class T>
T* Data(const at::Tensor& tensor) {
  return static_cast<T*>(tensor.data_ptr());
}

inline std::int64_t CeilDivide(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}
template <class T>
std::int64_t TileRows() {
  return Tiles<T>().shape.rows;
}
/// A part of a packed depth begins at a multiple of this.
template <class T>
std::int64_t ElementsPerStep() {
  return Tiles<T>().shape.values;
}
/// Units of a packed depth: whole steps.
template <class T>
std::int64_t UnitsOf(std::int64_t depth) {
  return CeilDivide(depth, ElementsPerStep<T>()) * Tiles<T>().shape.step;
}
/// The unit at which an element's step begins.
template <class T>
std::int64_t UnitAt(std::int64_t element) {
  return element / ElementsPerStep<T>() * Tiles<T>().shape.step;
}
/// Units to keep for one block of packed rows.
template <class T>
std::int64_t RowSpace(std::int64_t depth) {
  return UnitsOf<T>(depth) * TileRows<T>() + kPackSlack;
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
