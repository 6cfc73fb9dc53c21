#pragma once
// Element types of tensors in files: plain ones, and GGML's quantised ones whose elements live in
// blocks of `block_elements` elements and `block_bytes` bytes.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::formats {

enum class DType : std::uint8_t {
  kF64,
  kF32,
  kF16,
  kBF16,
  kF8E4M3,
  kF8E5M2,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ6_K,
};

struct DTypeInfo {
  DType dtype;
  std::string_view name;         ///< the safetensors spelling, for quantised types GGML's
  std::uint32_t block_elements;  ///< 1 for plain types
  std::uint32_t block_bytes;
  std::int32_t ggml_type;  ///< the number in GGUF files; -1: does not occur there
  bool in_safetensors;
};

const DTypeInfo& InfoOf(DType dtype);
std::string_view ToString(DType dtype);
/// By the spelling in safetensors headers ("BF16").
std::optional<DType> FromSafetensorsName(std::string_view name);
/// By the type number in GGUF files.
std::optional<DType> FromGgmlType(std::uint32_t number);
inline bool IsQuantized(DType dtype) {
  return InfoOf(dtype).block_elements > 1;
}

/// Product of a shape; 1 for a scalar's empty shape. kDataLoss when a dimension is negative or the
/// product does not fit 63 bits.
Result<std::int64_t> ElementCount(std::span<const std::int64_t> shape);
/// Bytes that a tensor takes. kDataLoss also when rows are not whole blocks.
Result<std::uint64_t> ByteSize(DType dtype, std::span<const std::int64_t> shape);

/// One tensor: where its bytes lie and what they mean. The bytes belong to whoever made it (a
/// mapped file, or the caller of a writer). Shapes are row-major, outermost dimension first.
struct TensorInfo {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> data;
};

/// "[2, 3]".
std::string ShapeToString(std::span<const std::int64_t> shape);

}  // namespace lathe::trainer::formats
