#include "worker/trainer/formats/dtype.h"

#include <array>
#include <limits>

#include "common/base/check.h"

namespace lathe::trainer::formats {
namespace {

constexpr std::array<DTypeInfo, 22> kTypes = {{
    {DType::kF64, "F64", 1, 8, 28, true},        {DType::kF32, "F32", 1, 4, 0, true},
    {DType::kF16, "F16", 1, 2, 1, true},         {DType::kBF16, "BF16", 1, 2, 30, true},
    {DType::kF8E4M3, "F8_E4M3", 1, 1, -1, true}, {DType::kF8E5M2, "F8_E5M2", 1, 1, -1, true},
    {DType::kI64, "I64", 1, 8, 27, true},        {DType::kI32, "I32", 1, 4, 26, true},
    {DType::kI16, "I16", 1, 2, 25, true},        {DType::kI8, "I8", 1, 1, 24, true},
    {DType::kU64, "U64", 1, 8, -1, true},        {DType::kU32, "U32", 1, 4, -1, true},
    {DType::kU16, "U16", 1, 2, -1, true},        {DType::kU8, "U8", 1, 1, -1, true},
    {DType::kBool, "BOOL", 1, 1, -1, true},      {DType::kQ8_0, "Q8_0", 32, 34, 8, false},
    {DType::kQ4_0, "Q4_0", 32, 18, 2, false},    {DType::kQ4_1, "Q4_1", 32, 20, 3, false},
    {DType::kQ5_0, "Q5_0", 32, 22, 6, false},    {DType::kQ5_1, "Q5_1", 32, 24, 7, false},
    {DType::kQ4_K, "Q4_K", 256, 144, 12, false}, {DType::kQ6_K, "Q6_K", 256, 210, 14, false},
}};

}  // namespace

const DTypeInfo& InfoOf(DType dtype) {
  const DTypeInfo& info = kTypes.at(static_cast<std::size_t>(dtype));
  LATHE_CHECK(info.dtype == dtype, "the table follows the order of the enum");
  return info;
}

std::string_view ToString(DType dtype) {
  return InfoOf(dtype).name;
}

std::optional<DType> FromSafetensorsName(std::string_view name) {
  for (const DTypeInfo& info : kTypes) {
    if (info.in_safetensors && info.name == name) return info.dtype;
  }
  return std::nullopt;
}

std::optional<DType> FromGgmlType(std::uint32_t number) {
  for (const DTypeInfo& info : kTypes) {
    if (info.ggml_type >= 0 && static_cast<std::uint32_t>(info.ggml_type) == number) {
      return info.dtype;
    }
  }
  return std::nullopt;
}

Result<std::int64_t> ElementCount(std::span<const std::int64_t> shape) {
  std::int64_t count = 1;
  for (const std::int64_t dimension : shape) {
    if (dimension < 0) {
      return Failure(ErrorCode::kDataLoss, "shape " + ShapeToString(shape) + " is negative");
    }
    if (__builtin_mul_overflow(count, dimension, &count)) {
      return Failure(ErrorCode::kDataLoss, "shape " + ShapeToString(shape) + " is too large");
    }
  }
  return count;
}

Result<std::uint64_t> ByteSize(DType dtype, std::span<const std::int64_t> shape) {
  const DTypeInfo& info = InfoOf(dtype);
  LATHE_ASSIGN_OR_RETURN(const std::int64_t count, ElementCount(shape));
  const std::int64_t row = shape.empty() ? 1 : shape.back();
  if (row % info.block_elements != 0) {
    return Failure(ErrorCode::kDataLoss, "rows of " + std::to_string(row) + " elements are not " +
                                             "whole blocks of " + std::string(info.name) + " (" +
                                             std::to_string(info.block_elements) + " elements)");
  }
  std::uint64_t bytes = static_cast<std::uint64_t>(count) / info.block_elements;
  if (__builtin_mul_overflow(bytes, std::uint64_t{info.block_bytes}, &bytes)) {
    return Failure(ErrorCode::kDataLoss, "shape " + ShapeToString(shape) + " is too large");
  }
  return bytes;
}

std::string ShapeToString(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace lathe::trainer::formats
