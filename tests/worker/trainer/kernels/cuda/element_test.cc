#include "worker/trainer/kernels/cuda/element.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <gtest/gtest.h>

#include <array>

namespace lathe::trainer::kernels::cuda {
namespace {

TEST(ElementTest, EveryFp16AndBf16NumberComesBack) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float from_half = c10::Half(half, c10::Half::from_bits());
    if (from_half == from_half) {
      EXPECT_EQ(BitsOf(ToFloat(Fp16{half})), BitsOf(from_half));
      EXPECT_EQ(FromFloat<Fp16>(from_half).bits, half);
    }
    const float from_bf16 = ToFloat(Bf16{half});
    if (from_bf16 == from_bf16) {
      EXPECT_EQ(FromFloat<Bf16>(from_bf16).bits, half);
    }
  }
}

TEST(ElementTest, RoundsAsTorchDoes) {
  // All exponents, with mantissas around the halves of both formats.
  for (std::uint32_t exponent = 0; exponent < 256; ++exponent) {
    for (const std::uint32_t mantissa : {0U, 1U, 0xfffU, 0x1000U, 0x1001U, 0x3000U, 0x7fffU,
                                         0x8000U, 0x8001U, 0x18000U, 0x7fffffU}) {
      for (const std::uint32_t sign : {0U, 0x80000000U}) {
        const float value = FromBits(sign | exponent << 23 | mantissa);
        if (value != value) continue;
        EXPECT_EQ(FromFloat<Fp16>(value).bits, c10::Half(value).x) << value;
        EXPECT_EQ(FromFloat<Bf16>(value).bits, c10::BFloat16(value).x) << value;
      }
    }
  }
  const float nan = FromBits(0x7fc00000U);
  EXPECT_TRUE(std::isnan(ToFloat(FromFloat<Fp16>(nan))));
  EXPECT_TRUE(std::isnan(ToFloat(FromFloat<Bf16>(nan))));
}

template <class Function>
void ExpectSlope() {
  for (float x = -6; x < 6; x += 0.37F) {
    const float numeric = (Function::Value(x + 0.01F) - Function::Value(x - 0.01F)) / 0.02F;
    EXPECT_NEAR(Function::Slope(x), numeric, 2e-4F) << x;
  }
}

TEST(ElementTest, SlopesAreThoseOfTheValues) {
  ExpectSlope<Silu>();
  ExpectSlope<GeluTanh>();
  const Score capped{0.5F, 3.0F};
  for (float x = -20; x < 20; x += 1.3F) {
    const float numeric = (capped.Map(x + 0.02F) - capped.Map(x - 0.02F)) / 0.04F;
    EXPECT_NEAR(capped.Slope(capped.Map(x)) * capped.scale, numeric, 2e-3F) << x;
  }
  EXPECT_EQ((Score{0.5F, 0}).Map(100), 50);
  EXPECT_EQ((Score{0.5F, 0}).Slope(50), 1);
}

TEST(ElementTest, CountsTheBoundsBelow) {
  constexpr std::array<float, 7> kBounds = {-3, -2, -1, 0, 1, 2, 3};
  int expected = 0;
  for (float x = -3.5F; x < 4; x += 1) {
    EXPECT_EQ(CountBelow(kBounds.data(), 7, x), expected++);
  }
  EXPECT_EQ(CountBelow(kBounds.data(), 7, 1), 4);  // A bound itself is not below.
}

}  // namespace
}  // namespace lathe::trainer::kernels::cuda
