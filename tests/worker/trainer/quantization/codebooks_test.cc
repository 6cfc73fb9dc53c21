#include "worker/trainer/quantization/codebooks.h"

#include <gtest/gtest.h>

#include "tests/parity/support.h"

namespace lathe::trainer::quantization {
namespace {

TEST(DynamicMap, IsTheReferences) {
  const auto file = parity::Open(parity::Golden("quantization/quantised.safetensors"));
  const auto want = parity::Values(file, "dynamic_map");
  ASSERT_EQ(want.size(), DynamicMap().size());
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(static_cast<double>(DynamicMap()[i]), want[i]) << i;
  }
}

TEST(DynamicMap, CodesAreTheNearestOnes) {
  std::vector<float> values;
  for (int i = -1000; i <= 1000; ++i) values.push_back(static_cast<float>(i) * 0.005F);
  std::vector<std::uint8_t> codes(values.size());
  const float largest = QuantizeDynamic(values, codes);
  EXPECT_EQ(largest, 5.0F);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float got = DynamicMap()[codes[i]] * largest;
    for (const float other : DynamicMap()) {
      // The grid that values are rounded to first has steps of 2 / 65535.
      EXPECT_LE(std::abs(got - values[i]), std::abs(other * largest - values[i]) + 1.6e-4F);
    }
  }
}

TEST(DynamicMap, ZerosGetCodeZero) {
  const std::vector<float> values(7, 0.0F);
  std::vector<std::uint8_t> codes(values.size(), 9);
  EXPECT_EQ(QuantizeDynamic(values, codes), 0.0F);
  EXPECT_EQ(codes, std::vector<std::uint8_t>(7, 0));
}

TEST(FourBitTable, OrderIsAscending) {
  for (const auto type : {QuantizationType::kNf4, QuantizationType::kFp4}) {
    const FourBitTable& table = TableOf(type);
    for (std::size_t i = 0; i + 1 < table.order.size(); ++i) {
      EXPECT_LE(table.values[table.order[i]], table.thresholds[i]);
      EXPECT_GE(table.values[table.order[i + 1]], table.thresholds[i]);
    }
  }
}

}  // namespace
}  // namespace lathe::trainer::quantization
