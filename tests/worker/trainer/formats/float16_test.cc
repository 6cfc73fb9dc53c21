#include "worker/trainer/formats/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace lathe::trainer::formats {
namespace {

TEST(Float16, HalfConvertsExactly) {
  EXPECT_EQ(HalfToFloat(0x3C00), 1.0F);
  EXPECT_EQ(HalfToFloat(0xC000), -2.0F);
  EXPECT_EQ(HalfToFloat(0x7BFF), 65504.0F);
  EXPECT_EQ(HalfToFloat(0x0001), 0x1.0p-24F);
  EXPECT_EQ(HalfToFloat(0x7C00), std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7C01)));
  EXPECT_TRUE(std::signbit(HalfToFloat(0x8000)));
}

TEST(Float16, EveryHalfSurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if ((half & 0x7C00) == 0x7C00 && (half & 0x3FF) != 0) continue;  // NaN keeps no payload.
    ASSERT_EQ(FloatToHalf(HalfToFloat(half)), half) << bits;
  }
}

TEST(Float16, RoundsToNearestEven) {
  EXPECT_EQ(FloatToHalf(2049.0F), FloatToHalf(2048.0F));
  EXPECT_EQ(FloatToHalf(2051.0F), FloatToHalf(2052.0F));
  EXPECT_EQ(FloatToHalf(65520.0F), 0x7C00);
  EXPECT_EQ(FloatToBfloat16(std::bit_cast<float>(0x3F808000U)), 0x3F80);
  EXPECT_EQ(FloatToBfloat16(std::bit_cast<float>(0x3F818000U)), 0x3F82);
  EXPECT_EQ(FloatToBfloat16(std::bit_cast<float>(0x3F808001U)), 0x3F81);
  EXPECT_TRUE(std::isnan(Bfloat16ToFloat(FloatToBfloat16(std::nanf("")))));
}

}  // namespace
}  // namespace lathe::trainer::formats
