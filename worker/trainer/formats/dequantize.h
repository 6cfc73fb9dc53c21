#pragma once
// Turns stored tensors into fp32 or bf16: F64, F32, F16, BF16 and GGML's Q8_0, Q4_0, Q4_1, Q5_0,
// Q5_1, Q4_K, Q6_K. Values are d*q (+ m) with one fp32 rounding, bit-equal to the reference; bf16
// rounds that to nearest even. Pure functions without locks: callers give row ranges to threads.

#include <cstdint>
#include <span>

#include "common/base/result.h"
#include "worker/trainer/formats/dtype.h"

namespace lathe::trainer::formats {

/// Rows are all dimensions but the last: a tensor [2, 3, 32] has 6 rows of 32, a scalar 1 row.
std::int64_t RowCount(const TensorInfo& tensor);
std::int64_t RowElements(const TensorInfo& tensor);

struct RowRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;  ///< one after the last
};

/// `out` has rows.end - rows.begin times RowElements elements. kInvalidArgument for a type that is
/// not a floating-point one, or a range outside the tensor.
Status DequantizeRows(const TensorInfo& tensor, RowRange rows, std::span<float> out);
/// The same to bf16 bits.
Status DequantizeRowsToBfloat16(const TensorInfo& tensor, RowRange rows,
                                std::span<std::uint16_t> out);

/// True for the types that the two functions take.
bool CanDequantize(DType dtype);

}  // namespace lathe::trainer::formats
