#pragma once
// The value tables of block-wise quantisation, as bitsandbytes 0.50.2 has them on the CPU: NF4
// (https://arxiv.org/abs/2305.14314), FP4 and the dynamic 8-bit maps
// (https://arxiv.org/abs/1511.04561, https://arxiv.org/abs/2110.02861). Constants; everything is
// fp32 and correctly rounded.

#include <array>
#include <cstdint>
#include <span>

namespace lathe::trainer::quantization {

enum class QuantizationType : std::uint8_t { kNf4, kFp4, kInt8 };

/// A 4-bit type: what each code means, and how a value in [-1, 1] becomes one.
struct FourBitTable {
  std::array<float, 16> values;  ///< by code
  /// Between neighbouring values in ascending order. The code of v is order[number of thresholds
  /// below v]: the nearest value, the lower one on a tie.
  std::array<float, 15> thresholds;
  std::array<std::uint8_t, 16> order;  ///< codes in ascending order of their values
};

/// Of kNf4 or kFp4.
const FourBitTable& TableOf(QuantizationType type);

enum class Signedness : std::uint8_t { kSigned, kUnsigned };

/// 256 values in ascending order, whose spacing falls with their magnitude: from -0.993 to 1, or
/// from 0 to 1.
const std::array<float, 256>& DynamicMap(Signedness signedness = Signedness::kSigned);

/// Codes in the signed dynamic map of values / max|values|, which is returned. bitsandbytes' CPU
/// kernel rounds to a grid of 65536 steps before it looks for the nearest value, and so does this:
/// codes are equal to its, off by one at most from the nearest ones. All codes are 0 where all
/// values are.
float QuantizeDynamic(std::span<const float> values, std::span<std::uint8_t> codes);

}  // namespace lathe::trainer::quantization
