#pragma once
// The 8-bit "dynamic" number format of bitsandbytes (https://arxiv.org/abs/2110.02861): 256 values
// in [-1, 1] (or [0, 1]) whose spacing falls with their magnitude, used for blocks of values
// divided by the block's largest magnitude. Pure.

#include <array>
#include <cstdint>

namespace lathe::trainer::optim {

enum class Signedness : std::uint8_t { kSigned, kUnsigned };

struct DynamicMap {
  std::array<float, 256> values{};  ///< rising
  /// The value nearest to x is values[i], where i counts the midpoints below x; a tie goes down.
  std::array<float, 255> midpoints{};

  std::uint8_t Nearest(float x) const;
};

const DynamicMap& DynamicMapOf(Signedness signedness);

}  // namespace lathe::trainer::optim
