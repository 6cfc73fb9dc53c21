#include "worker/trainer/formats/encode.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "common/base/check.h"
#include "worker/trainer/formats/float16.h"

namespace lathe::trainer::formats {
namespace {

constexpr std::size_t kQ8Elements = 32;
constexpr std::size_t kQ8Bytes = 34;

void EncodeQ8Block(const float* values, std::byte* out) {
  float largest = 0;
  for (std::size_t i = 0; i < kQ8Elements; ++i) {
    largest = std::max(largest, std::fabs(values[i]));
  }
  const float scale = largest / 127.0F;
  const float inverse = scale > 0 ? 1.0F / scale : 0.0F;
  const std::uint16_t half = FloatToHalf(scale);
  std::memcpy(out, &half, sizeof half);
  for (std::size_t i = 0; i < kQ8Elements; ++i) {
    const float code = std::clamp(std::round(values[i] * inverse), -127.0F, 127.0F);
    out[sizeof half + i] = static_cast<std::byte>(static_cast<std::int8_t>(code));
  }
}

template <class Convert>
void EncodeHalves(std::span<const float> values, std::byte* out, const Convert& convert) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t bits = convert(values[i]);
    std::memcpy(out + i * sizeof bits, &bits, sizeof bits);
  }
}

}  // namespace

bool CanEncode(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16 ||
         dtype == DType::kQ8_0;
}

void Encode(DType dtype, std::span<const float> values, std::vector<std::byte>& out) {
  LATHE_CHECK(CanEncode(dtype), "a type that is written");
  const DTypeInfo& info = InfoOf(dtype);
  LATHE_CHECK(values.size() % info.block_elements == 0, "whole blocks");
  const std::size_t begin = out.size();
  out.resize(begin + values.size() / info.block_elements * info.block_bytes);
  std::byte* to = out.data() + begin;
  if (values.empty()) return;
  switch (dtype) {
    case DType::kF32:
      std::memcpy(to, values.data(), values.size_bytes());
      return;
    case DType::kF16:
      return EncodeHalves(values, to, FloatToHalf);
    case DType::kBF16:
      return EncodeHalves(values, to, FloatToBfloat16);
    default:
      for (std::size_t i = 0; i < values.size(); i += kQ8Elements, to += kQ8Bytes) {
        EncodeQ8Block(values.data() + i, to);
      }
  }
}

}  // namespace lathe::trainer::formats
