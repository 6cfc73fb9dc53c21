#include "worker/trainer/quantization/cpu/block_kernels.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "worker/trainer/formats/float16.h"
#include "worker/trainer/quantization/codebooks.h"

namespace lathe::trainer::quantization {
namespace {

std::vector<float> Random(std::int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal(0, 0.02F);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = normal(generator);
  return values;
}

struct FourBit {
  std::vector<float> absmax;
  std::vector<std::uint8_t> packed;
  std::vector<float> values;
  std::vector<std::uint16_t> bfloat16;
  bool operator==(const FourBit&) const = default;
};

FourBit RoundTrip(const BlockKernels& kernels, const std::vector<float>& x, QuantizationType type) {
  const auto n = static_cast<std::int64_t>(x.size());
  const FourBitTable& table = TableOf(type);
  FourBit result{std::vector<float>(static_cast<std::size_t>((n + 63) / 64)),
                 std::vector<std::uint8_t>(static_cast<std::size_t>((n + 1) / 2)),
                 std::vector<float>(x.size()), std::vector<std::uint16_t>(x.size())};
  kernels.quantize_4bit(x.data(), n, table.thresholds.data(), table.order.data(),
                        result.absmax.data(), result.packed.data());
  kernels.dequantize_4bit(result.packed.data(), result.absmax.data(), table.values.data(),
                          result.values.data(), n);
  kernels.dequantize_4bit_bf16(result.packed.data(), result.absmax.data(), table.values.data(),
                               result.bfloat16.data(), n);
  return result;
}

/// As the definition says it, one element after another.
FourBit Plain(const std::vector<float>& x, QuantizationType type) {
  const FourBitTable& table = TableOf(type);
  FourBit result{std::vector<float>((x.size() + 63) / 64),
                 std::vector<std::uint8_t>((x.size() + 1) / 2), std::vector<float>(x.size()),
                 std::vector<std::uint16_t>(x.size())};
  for (std::size_t i = 0; i < x.size(); ++i) {
    result.absmax[i / 64] = std::max(result.absmax[i / 64], std::abs(x[i]));
  }
  for (std::size_t i = 0; i < x.size() + x.size() % 2; ++i) {
    const float largest = result.absmax[std::min(i, x.size() - 1) / 64];
    const bool whole = i / 64 * 64 + 64 <= x.size();
    const float value = i >= x.size() ? 0 : whole ? x[i] * (1 / largest) : x[i] / largest;
    std::size_t below = 0;
    while (below < 15 && table.thresholds[below] < value) ++below;
    const unsigned code = table.order[below];
    result.packed[i / 2] =
        static_cast<std::uint8_t>(result.packed[i / 2] | (i % 2 == 0 ? code << 4 : code));
    if (i >= x.size()) continue;
    result.values[i] = table.values[code] * largest;
    result.bfloat16[i] = formats::FloatToBfloat16(result.values[i]);
  }
  return result;
}

class BlockKernelsTest : public ::testing::TestWithParam<const char*> {};

TEST_P(BlockKernelsTest, FourBitEqualsTheDefinition) {
  const BlockKernels* kernels = KernelsOf(GetParam());
  if (kernels == nullptr) GTEST_SKIP() << "this machine has no " << GetParam();
  for (const auto type : {QuantizationType::kNf4, QuantizationType::kFp4}) {
    for (const std::int64_t n : {1, 2, 15, 63, 64, 65, 127, 128, 130, 1000, 4096}) {
      const auto x = Random(n, static_cast<unsigned>(n));
      EXPECT_TRUE(RoundTrip(*kernels, x, type) == Plain(x, type)) << n << " elements";
    }
  }
}

TEST_P(BlockKernelsTest, Int8RoundsHalvesToEven) {
  const BlockKernels* kernels = KernelsOf(GetParam());
  if (kernels == nullptr) GTEST_SKIP() << "this machine has no " << GetParam();
  const std::vector<float> x = {127, -127, 0.5F, 1.5F, -2.5F, 3.25F, 0, -0.5F, 126.5F};
  std::vector<std::int8_t> codes(x.size());
  EXPECT_EQ(kernels->quantize_int8(x.data(), 9, codes.data()), 127.0F);
  EXPECT_EQ(codes, (std::vector<std::int8_t>{127, -127, 0, 2, -2, 3, 0, 0, 126}));
  std::vector<float> values(x.size());
  kernels->dequantize_int8(codes.data(), 0.5F, values.data(), 9);
  EXPECT_EQ(values, (std::vector<float>{63.5F, -63.5F, 0, 1, -1, 1.5F, 0, 0, 63}));
}

TEST_P(BlockKernelsTest, Int8OfZerosAndInfinitiesIsZero) {
  const BlockKernels* kernels = KernelsOf(GetParam());
  if (kernels == nullptr) GTEST_SKIP() << "this machine has no " << GetParam();
  std::vector<std::int8_t> codes(2, 9);
  const std::vector<float> zeros = {0, 0};
  kernels->quantize_int8(zeros.data(), 2, codes.data());
  EXPECT_EQ(codes, (std::vector<std::int8_t>{0, 0}));
  const std::vector<float> infinite = {1, std::numeric_limits<float>::infinity()};
  kernels->quantize_int8(infinite.data(), 2, codes.data());
  EXPECT_EQ(codes, (std::vector<std::int8_t>{0, 0}));
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, BlockKernelsTest,
                         ::testing::Values("baseline", "avx2", "avx512"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace lathe::trainer::quantization
