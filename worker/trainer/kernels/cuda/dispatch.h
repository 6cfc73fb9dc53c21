#pragma once
// From a call's element type and alignment to the instance of a kernel.

#include <initializer_list>

#include "worker/trainer/kernels/cuda/element.h"
#include "worker/trainer/kernels/cuda/launch.h"

namespace lathe::trainer::kernels::cuda {

inline constexpr std::int64_t kAccessBytes = 16;

template <class T, int N>
struct Instance {
  using Type = T;
  static constexpr int kPack = N;  ///< values that a thread reads at once
};

template <class T, class Body>
void ForPack(bool aligned, const Body& body) {
  if (aligned) {
    body(Instance<T, static_cast<int>(kAccessBytes / sizeof(T))>{});
  } else {
    body(Instance<T, 1>{});
  }
}

/// Calls body(Instance). `aligned`: whether rows can be read in pieces of kAccessBytes.
template <class Body>
void ForInstance(Element element, bool aligned, const Body& body) {
  switch (element) {
    case Element::kFloat32:
      return ForPack<float>(aligned, body);
    case Element::kBfloat16:
      return ForPack<Bf16>(aligned, body);
    case Element::kFloat16:
      return ForPack<Fp16>(aligned, body);
  }
}

inline std::int64_t BytesOf(Element element) {
  return element == Element::kFloat32 ? 4 : 2;
}

/// Whether all pointers lie on, and all lengths (in elements) are multiples of, kAccessBytes.
inline bool Aligned(Element element, std::initializer_list<const void*> pointers,
                    std::initializer_list<std::int64_t> lengths) {
  for (const void* pointer : pointers) {
    if (reinterpret_cast<std::uintptr_t>(pointer) % kAccessBytes != 0) return false;
  }
  for (const std::int64_t length : lengths) {
    if (length * BytesOf(element) % kAccessBytes != 0) return false;
  }
  return true;
}

/// Threads for a row of so many pieces of work: whole warps, `most` at most.
inline int ThreadsFor(std::int64_t pieces, int most) {
  const std::int64_t whole = (pieces + kWarp - 1) / kWarp * kWarp;
  return static_cast<int>(whole < kWarp ? kWarp : whole > most ? most : whole);
}

inline std::int64_t DivideUp(std::int64_t value, std::int64_t by) {
  return (value + by - 1) / by;
}

}  // namespace lathe::trainer::kernels::cuda
