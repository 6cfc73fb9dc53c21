#pragma once
// The dynamic 8-bit maps (quantization/codebooks.h) as the optimizer's moments use them: for blocks
// of values divided by the block's largest magnitude. Pure.

#include <array>
#include <cstdint>

#include "worker/trainer/quantization/codebooks.h"

namespace lathe::trainer::optim {

using quantization::Signedness;

struct DynamicMap {
  std::array<float, 256> values{};  ///< rising
  /// The value nearest to x is values[i], where i counts the midpoints below x; a tie goes down.
  std::array<float, 255> midpoints{};

  std::uint8_t Nearest(float x) const;
};

const DynamicMap& DynamicMapOf(Signedness signedness);

}  // namespace lathe::trainer::optim
