#pragma once
// A frozen weight that lives quantised only: NF4 or FP4 in blocks of 64, with the blocks' scales
// quantised once more if wanted, or int8 with one scale a row. Codes, scales and layout are those
// of bitsandbytes 0.50.2 (Linear4bit, and Linear8bitLt's stored weight).
//
// 4 bit: the matrix counts as one row-major sequence. Block b holds elements [64 b, 64 b + 64), the
// last may be shorter; its scale is absmax(b) = max|w|. Element i is values[code_i] * absmax.
// Double quantisation: offset = mean(absmax); absmax - offset in blocks of 256 by the dynamic 8-bit
// map, so that absmax(b) = map[absmax_codes[b]] * nested_absmax[b / 256] + offset.
// int8: w is rounded to fp16 first; absmax(row) = max|w|, code = rint(w * (127 / absmax)), the
// value is code * (absmax / 127). Columns with outliers are not treated apart: weights only.

#include <ATen/core/Tensor.h>

#include <functional>
#include <span>

#include "common/base/result.h"
#include "worker/trainer/quantization/codebooks.h"

namespace lathe::trainer::quantization {

inline constexpr std::int64_t kBlock = 64;         ///< elements that share a 4-bit scale
inline constexpr std::int64_t kNestedBlock = 256;  ///< scales that share a scale

struct QuantizationSettings {
  QuantizationType type = QuantizationType::kNf4;
  bool double_quantization = true;  ///< of 4-bit types
};

/// Immutable once made; threads may share it.
struct QuantizedMatrix {
  QuantizationType type = QuantizationType::kNf4;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  /// 4 bit: uint8, two codes a byte, the even element in the high half, an odd one out is followed
  /// by the code of 0. int8: int8 [rows, columns].
  at::Tensor codes;
  at::Tensor absmax;         ///< fp32 [blocks], or [rows] of int8; undefined when quantised itself
  at::Tensor absmax_codes;   ///< uint8 [blocks], with double quantisation
  at::Tensor nested_absmax;  ///< fp32 [blocks / 256, rounded up], with double quantisation
  float offset = 0;

  /// Of all that it holds.
  std::int64_t Bytes() const;
};

/// Writes rows [begin, end) of a matrix as fp32. Called by several threads at once.
using RowReader = std::function<Status(std::int64_t begin, std::int64_t end, std::span<float> out)>;

/// Quantises a matrix that is read a few rows at a time and never held as a whole. Fails only as
/// the reader does. The result does not depend on the number of threads.
Result<QuantizedMatrix> Quantize(const QuantizationSettings& settings, std::int64_t rows,
                                 std::int64_t columns, const RowReader& read);

/// Writes all values to `out`: fp32, bf16 or fp16 [rows, columns], contiguous, on the matrix's
/// device.
void Dequantize(const QuantizedMatrix& matrix, at::Tensor& out);

QuantizedMatrix MoveTo(const QuantizedMatrix& matrix, const at::Device& device);

}  // namespace lathe::trainer::quantization
