#include "worker/trainer/formats/dequantize.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "worker/trainer/formats/float16.h"

namespace lathe::trainer::formats {
namespace {

constexpr std::size_t kChunkElements = 1024;  ///< a whole number of blocks of every type

std::uint8_t Byte(const std::byte* at) {
  return static_cast<std::uint8_t>(*at);
}

float HalfAt(const std::byte* at) {
  std::uint16_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return HalfToFloat(bits);
}

// A block function writes one block's elements. Products d*q are exact in fp32 (11 + 8 bits at
// most), so that adding m or nothing is the one rounding.

void BlockQ8_0(const std::byte* block, float* out) {
  const float d = HalfAt(block);
  for (int j = 0; j < 32; ++j)
    out[j] = d * static_cast<float>(static_cast<std::int8_t>(block[2 + j]));
}

void BlockQ4_0(const std::byte* block, float* out) {
  const float d = HalfAt(block);
  for (int j = 0; j < 16; ++j) {
    const int q = Byte(block + 2 + j);
    out[j] = d * static_cast<float>((q & 0xF) - 8);
    out[j + 16] = d * static_cast<float>((q >> 4) - 8);
  }
}

void BlockQ4_1(const std::byte* block, float* out) {
  const float d = HalfAt(block);
  const float m = HalfAt(block + 2);
  for (int j = 0; j < 16; ++j) {
    const int q = Byte(block + 4 + j);
    out[j] = d * static_cast<float>(q & 0xF) + m;
    out[j + 16] = d * static_cast<float>(q >> 4) + m;
  }
}

/// The fifth bits of a block's 32 elements, element j in bit j.
std::uint32_t HighBits(const std::byte* at) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

void BlockQ5_0(const std::byte* block, float* out) {
  const float d = HalfAt(block);
  const std::uint32_t high = HighBits(block + 2);
  for (int j = 0; j < 16; ++j) {
    const int q = Byte(block + 6 + j);
    const int low_element = (q & 0xF) | static_cast<int>(((high >> j) & 1U) << 4);
    const int high_element = (q >> 4) | static_cast<int>(((high >> (j + 16)) & 1U) << 4);
    out[j] = d * static_cast<float>(low_element - 16);
    out[j + 16] = d * static_cast<float>(high_element - 16);
  }
}

void BlockQ5_1(const std::byte* block, float* out) {
  const float d = HalfAt(block);
  const float m = HalfAt(block + 2);
  const std::uint32_t high = HighBits(block + 4);
  for (int j = 0; j < 16; ++j) {
    const int q = Byte(block + 8 + j);
    const int low_element = (q & 0xF) | static_cast<int>(((high >> j) & 1U) << 4);
    const int high_element = (q >> 4) | static_cast<int>(((high >> (j + 16)) & 1U) << 4);
    out[j] = d * static_cast<float>(low_element) + m;
    out[j + 16] = d * static_cast<float>(high_element) + m;
  }
}

/// Sub-block i's 6-bit scale and minimum out of the 12 packed bytes of a Q4_K block: bytes 0-3 and
/// 4-7 hold those of sub-blocks 0-3 in their low six bits; of sub-blocks 4-7 the low four bits are
/// in bytes 8-11 and the upper two on top of bytes 0-7.
std::pair<int, int> ScaleAndMinimum(const std::byte* packed, int i) {
  if (i < 4) return {Byte(packed + i) & 63, Byte(packed + i + 4) & 63};
  const int low = Byte(packed + i + 4);
  return {(low & 0xF) | ((Byte(packed + i - 4) >> 6) << 4),
          (low >> 4) | ((Byte(packed + i) >> 6) << 4)};
}

void BlockQ4_K(const std::byte* block, float* out) {
  const float d = HalfAt(block);
  const float minimum = HalfAt(block + 2);
  for (int i = 0; i < 8; ++i) {
    const auto [scale, offset] = ScaleAndMinimum(block + 4, i);
    const float step = d * static_cast<float>(scale);
    const float base = minimum * static_cast<float>(offset);
    const std::byte* codes = block + 16 + 32 * (i / 2);
    const int shift = 4 * (i % 2);
    for (int j = 0; j < 32; ++j) {
      out[32 * i + j] = step * static_cast<float>((Byte(codes + j) >> shift) & 0xF) - base;
    }
  }
}

void BlockQ6_K(const std::byte* block, float* out) {
  const float d = HalfAt(block + 208);
  for (int half = 0; half < 2; ++half) {
    const std::byte* low = block + 64 * half;
    const std::byte* high = block + 128 + 32 * half;
    const std::byte* scales = block + 192 + 8 * half;
    for (int quarter = 0; quarter < 4; ++quarter) {
      const std::byte* codes = low + 32 * (quarter % 2);
      const int low_shift = 4 * (quarter / 2);
      for (int j = 0; j < 32; ++j) {
        const int q =
            ((Byte(codes + j) >> low_shift) & 0xF) | (((Byte(high + j) >> (2 * quarter)) & 3) << 4);
        const auto scale = static_cast<std::int8_t>(scales[2 * quarter + j / 16]);
        out[128 * half + 32 * quarter + j] =
            d * static_cast<float>(scale) * static_cast<float>(q - 32);
      }
    }
  }
}

template <auto Block, std::size_t kElements, std::size_t kBytes>
void Blocks(const std::byte* data, std::span<float> out) {
  for (std::size_t i = 0; i < out.size() / kElements; ++i) {
    Block(data + i * kBytes, out.data() + i * kElements);
  }
}

template <class Stored, class Convert>
void Plain(const std::byte* data, std::span<float> out, Convert convert) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    Stored value;
    std::memcpy(&value, data + i * sizeof(Stored), sizeof(Stored));
    out[i] = convert(value);
  }
}

/// `data` starts at an element boundary of a block and `out` is whole blocks long.
void DequantizeRun(DType dtype, const std::byte* data, std::span<float> out) {
  switch (dtype) {
    case DType::kF64:
      return Plain<double>(data, out, [](double v) { return static_cast<float>(v); });
    case DType::kF32:
      if (!out.empty()) std::memcpy(out.data(), data, out.size_bytes());
      return;
    case DType::kF16:
      return Plain<std::uint16_t>(data, out, HalfToFloat);
    case DType::kBF16:
      return Plain<std::uint16_t>(data, out, Bfloat16ToFloat);
    case DType::kQ8_0:
      return Blocks<BlockQ8_0, 32, 34>(data, out);
    case DType::kQ4_0:
      return Blocks<BlockQ4_0, 32, 18>(data, out);
    case DType::kQ4_1:
      return Blocks<BlockQ4_1, 32, 20>(data, out);
    case DType::kQ5_0:
      return Blocks<BlockQ5_0, 32, 22>(data, out);
    case DType::kQ5_1:
      return Blocks<BlockQ5_1, 32, 24>(data, out);
    case DType::kQ4_K:
      return Blocks<BlockQ4_K, 256, 144>(data, out);
    case DType::kQ6_K:
      return Blocks<BlockQ6_K, 256, 210>(data, out);
    default:
      return;  // CheckArguments has refused the other types.
  }
}

Status CheckArguments(const TensorInfo& tensor, RowRange rows, std::size_t out_elements) {
  if (!CanDequantize(tensor.dtype)) {
    return Failure(ErrorCode::kInvalidArgument, "tensor " + tensor.name + " of type " +
                                                    std::string(ToString(tensor.dtype)) +
                                                    " does not hold floating-point values");
  }
  LATHE_ASSIGN_OR_RETURN(const std::uint64_t bytes, ByteSize(tensor.dtype, tensor.shape));
  const bool in_range = 0 <= rows.begin && rows.begin <= rows.end && rows.end <= RowCount(tensor);
  if (!in_range || bytes != tensor.data.size() ||
      out_elements != static_cast<std::size_t>((rows.end - rows.begin) * RowElements(tensor))) {
    return Failure(ErrorCode::kInvalidArgument,
                   "rows " + std::to_string(rows.begin) + " to " + std::to_string(rows.end) +
                       " do not fit tensor " + tensor.name + " " + ShapeToString(tensor.shape));
  }
  return {};
}

const std::byte* RowStart(const TensorInfo& tensor, std::int64_t row) {
  const DTypeInfo& info = InfoOf(tensor.dtype);
  return tensor.data.data() + row * (RowElements(tensor) / info.block_elements) * info.block_bytes;
}

}  // namespace

std::int64_t RowElements(const TensorInfo& tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape.back();
}

std::int64_t RowCount(const TensorInfo& tensor) {
  std::int64_t rows = 1;
  for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) rows *= tensor.shape[i];
  return rows;
}

bool CanDequantize(DType dtype) {
  return IsQuantized(dtype) || dtype == DType::kF64 || dtype == DType::kF32 ||
         dtype == DType::kF16 || dtype == DType::kBF16;
}

Status DequantizeRows(const TensorInfo& tensor, RowRange rows, std::span<float> out) {
  LATHE_RETURN_IF_ERROR(CheckArguments(tensor, rows, out.size()));
  DequantizeRun(tensor.dtype, RowStart(tensor, rows.begin), out);
  return {};
}

Status DequantizeRowsToBfloat16(const TensorInfo& tensor, RowRange rows,
                                std::span<std::uint16_t> out) {
  LATHE_RETURN_IF_ERROR(CheckArguments(tensor, rows, out.size()));
  const DTypeInfo& info = InfoOf(tensor.dtype);
  const std::byte* data = RowStart(tensor, rows.begin);
  if (tensor.dtype == DType::kBF16) {
    if (!out.empty()) std::memcpy(out.data(), data, out.size_bytes());
    return {};
  }
  std::array<float, kChunkElements> chunk;  // Stays in the first-level cache.
  for (std::size_t begin = 0; begin < out.size(); begin += kChunkElements) {
    const std::size_t count = std::min(kChunkElements, out.size() - begin);
    DequantizeRun(tensor.dtype, data + begin / info.block_elements * info.block_bytes,
                  std::span(chunk).first(count));
    for (std::size_t i = 0; i < count; ++i) out[begin + i] = FloatToBfloat16(chunk[i]);
  }
  return {};
}

}  // namespace lathe::trainer::formats
