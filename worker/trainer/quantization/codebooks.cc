#include "worker/trainer/quantization/codebooks.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "common/base/check.h"

namespace lathe::trainer::quantization {
namespace {

constexpr std::array<float, 16> kNf4Values = {
    -1.0F,
    -0.6961928009986877F,
    -0.5250730514526367F,
    -0.39491748809814453F,
    -0.28444138169288635F,
    -0.18477343022823334F,
    -0.09105003625154495F,
    0.0F,
    0.07958029955625534F,
    0.16093020141124725F,
    0.24611230194568634F,
    0.33791524171829224F,
    0.44070982933044434F,
    0.5626170039176941F,
    0.7229568362236023F,
    1.0F,
};

// One sign bit, two exponent bits, one of mantissa; of the largest, 12.
constexpr std::array<float, 16> kFp4Values = {
    0.0F, 0.0625F / 12,  8.0F / 12,  12.0F / 12,  4.0F / 12,  6.0F / 12,  2.0F / 12,  3.0F / 12,
    0.0F, -0.0625F / 12, -8.0F / 12, -12.0F / 12, -4.0F / 12, -6.0F / 12, -2.0F / 12, -3.0F / 12,
};

FourBitTable MakeTable(const std::array<float, 16>& values) {
  FourBitTable table{.values = values, .thresholds = {}, .order = {}};
  std::iota(table.order.begin(), table.order.end(), std::uint8_t{0});
  std::stable_sort(table.order.begin(), table.order.end(),
                   [&](std::uint8_t a, std::uint8_t b) { return values[a] < values[b]; });
  for (std::size_t i = 0; i < table.thresholds.size(); ++i) {
    table.thresholds[i] = (values[table.order[i]] + values[table.order[i + 1]]) / 2;
  }
  return table;
}

/// `count` points from 0.1 to 1, each rounded once, computed from the nearer end.
std::vector<float> Linspace(std::size_t count) {
  constexpr float kBegin = 0.1F;
  constexpr float kEnd = 1.0F;
  const float step = (kEnd - kBegin) / static_cast<float>(count - 1);
  std::vector<float> points(count);
  for (std::size_t i = 0; i < count; ++i) {
    // A product and a sum with one rounding, in twice the precision.
    const double from_begin = kBegin + static_cast<double>(step) * static_cast<double>(i);
    const double from_end = kEnd - static_cast<double>(step) * static_cast<double>(count - 1 - i);
    points[i] = static_cast<float>(i < count / 2 ? from_begin : from_end);
  }
  return points;
}

// Seven decades; the higher the decade, the more values it has: 1, 2, 4 ... 64 of each sign, or
// twice as many where the sign's bit is free.
std::array<float, 256> MakeDynamicMap(Signedness signedness) {
  constexpr int kDecades = 7;
  const bool is_signed = signedness == Signedness::kSigned;
  std::vector<float> values;
  for (int decade = 0; decade < kDecades; ++decade) {
    const std::vector<float> edges =
        Linspace((std::size_t{1} << (decade + (is_signed ? 0 : 1))) + 1);
    const double scale = std::pow(10.0, decade - (kDecades - 1));
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
      const float middle = (edges[i] + edges[i + 1]) / 2.0F;
      values.push_back(static_cast<float>(scale) * middle);
      if (is_signed) values.push_back(-values.back());
    }
  }
  values.push_back(0);
  values.push_back(1);
  std::array<float, 256> map{};
  LATHE_CHECK(values.size() == map.size(), "the dynamic map has 256 values");
  std::sort(values.begin(), values.end());
  std::copy(values.begin(), values.end(), map.begin());
  return map;
}

constexpr std::size_t kGrid = 65536;

/// The code of each grid point from -1 to 1.
std::vector<std::uint8_t> MakeGrid() {
  const std::array<float, 256>& map = DynamicMap();
  std::vector<std::uint8_t> grid(kGrid);
  std::size_t code = 0;
  for (std::size_t i = 0; i < kGrid; ++i) {
    const float value = -1.0F + (2.0F * static_cast<float>(i)) / static_cast<float>(kGrid - 1);
    while (code + 1 < map.size() && 0.5F * (map[code] + map[code + 1]) < value) ++code;
    grid[i] = static_cast<std::uint8_t>(code);
  }
  return grid;
}

/// The grid point nearest to a value in [-1, 1]; the last product and sum are rounded once.
std::size_t GridPoint(float value) {
  const float half = (std::clamp(value, -1.0F, 1.0F) + 1.0F) * 0.5F;
  return static_cast<std::size_t>(
      static_cast<float>(static_cast<double>(half) * static_cast<double>(kGrid - 1) + 0.5));
}

}  // namespace

const FourBitTable& TableOf(QuantizationType type) {
  LATHE_CHECK(type != QuantizationType::kInt8, "int8 has no table");
  static const FourBitTable nf4 = MakeTable(kNf4Values);
  static const FourBitTable fp4 = MakeTable(kFp4Values);
  return type == QuantizationType::kNf4 ? nf4 : fp4;
}

const std::array<float, 256>& DynamicMap(Signedness signedness) {
  static const std::array<float, 256> with_sign = MakeDynamicMap(Signedness::kSigned);
  static const std::array<float, 256> without_sign = MakeDynamicMap(Signedness::kUnsigned);
  return signedness == Signedness::kSigned ? with_sign : without_sign;
}

float QuantizeDynamic(std::span<const float> values, std::span<std::uint8_t> codes) {
  LATHE_CHECK(values.size() == codes.size(), "one code a value");
  static const std::vector<std::uint8_t> grid = MakeGrid();
  float largest = 0;
  for (const float value : values) largest = std::max(largest, std::fabs(value));
  if (!(largest > 0) || !std::isfinite(largest)) {
    std::fill(codes.begin(), codes.end(), std::uint8_t{0});
    return largest;
  }
  const float inverse = 1.0F / largest;
  for (std::size_t i = 0; i < values.size(); ++i) codes[i] = grid[GridPoint(values[i] * inverse)];
  return largest;
}

}  // namespace lathe::trainer::quantization
