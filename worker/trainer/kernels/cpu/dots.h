#pragma once
// Products with few rows on processors with AVX-512, and attention of single queries: what they
// cost is reading a weight, or a cache, once. Whoever calls them divides the work
// (few_row_product.cc, cached_attention.cc).
//
// Sums are fp32, taken in the order of the depth: a result does not depend on other rows or lines.

#include <cstdint>

#include "worker/trainer/kernels/cpu/tiles.h"

namespace lathe::trainer::kernels {

/// Lines of a weight against rows, `depth` values each.
template <class T>
struct DotSegment {
  const T* lines = nullptr;
  std::int64_t line_stride = 0;
  const T* rows = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t depth = 0;
};

/// out[row][line] = the sum of the segments' dot products + bias[line].
template <class T, class Out = T>
struct DotProduct {
  const DotSegment<T>* segments = nullptr;
  std::int64_t segment_count = 0;
  std::int64_t lines = 0;
  std::int64_t rows = 0;
  const float* bias = nullptr;  ///< [lines], or nullptr
  Out* out = nullptr;
  std::int64_t out_stride = 0;
};

/// out[columns] = the sum of factors[i] * line i.
template <class T>
struct LineSum {
  Lines<T> lines;
  const float* factors = nullptr;
  std::int64_t columns = 0;
  T* out = nullptr;
};

template <class T>
struct DotKernels {
  void (*dots)(const DotProduct<T>& product);
  void (*fp32_dots)(const DotProduct<T, float>& product);
  void (*sum_lines)(const LineSum<T>& sum);
};

#if defined(__x86_64__)
/// For processors with AVX-512 (x86-64-v4).
extern const DotKernels<float> kFloat32Dots;
/// For those that have its bf16 dot products, too.
extern const DotKernels<Bfloat16> kBfloat16Dots;
#endif

}  // namespace lathe::trainer::kernels
