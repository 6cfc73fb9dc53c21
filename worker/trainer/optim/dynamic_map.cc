#include "worker/trainer/optim/dynamic_map.h"

namespace lathe::trainer::optim {
namespace {

DynamicMap Make(Signedness signedness) {
  DynamicMap map{.values = quantization::DynamicMap(signedness), .midpoints = {}};
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
