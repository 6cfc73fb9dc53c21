#include "worker/trainer/optim/dynamic_map.h"

#include <ATen/ops/linspace.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace lathe::trainer::optim {
namespace {

/// Decades below 1 that the format reaches: seven of the eight bits may say how far down.
constexpr int kExponents = 7;

/// With every exponent bit that is not spent, the fraction has one bit more: decade i has 2^i
/// fractions (twice as many without a sign bit), the middles of equal parts of [0.1, 1].
DynamicMap Make(Signedness signedness) {
  const bool is_signed = signedness == Signedness::kSigned;
  std::vector<float> values = {0.0F, 1.0F};
  for (int exponent = 0; exponent < kExponents; ++exponent) {
    const int fractions = 1 << (exponent + (is_signed ? 0 : 1));
    const double decade = std::pow(10.0, exponent - (kExponents - 1));
    const at::Tensor boundaries = at::linspace(0.1, 1, fractions + 1, at::kFloat);
    const float* boundary = boundaries.const_data_ptr<float>();
    for (int i = 0; i < fractions; ++i) {
      const float middle = (boundary[i] + boundary[i + 1]) / 2.0F;
      const float value = static_cast<float>(decade) * middle;
      values.push_back(value);
      if (is_signed) values.push_back(-value);
    }
  }
  std::sort(values.begin(), values.end());
  DynamicMap map;
  std::copy(values.begin(), values.end(), map.values.begin());
  for (std::size_t i = 0; i < map.midpoints.size(); ++i) {
    map.midpoints[i] = (map.values[i] + map.values[i + 1]) / 2.0F;
  }
  return map;
}

}  // namespace

std::uint8_t DynamicMap::Nearest(float x) const {
  // A binary search without branches: which way it goes is not to be predicted.
  const float* base = midpoints.data();
  for (std::size_t half = 128; half > 0; half /= 2) {
    base += base[half - 1] < x ? half : 0;
  }
  return static_cast<std::uint8_t>(base - midpoints.data());
}

const DynamicMap& DynamicMapOf(Signedness signedness) {
  static const DynamicMap with_sign = Make(Signedness::kSigned);
  static const DynamicMap without_sign = Make(Signedness::kUnsigned);
  return signedness == Signedness::kSigned ? with_sign : without_sign;
}

}  // namespace lathe::trainer::optim
