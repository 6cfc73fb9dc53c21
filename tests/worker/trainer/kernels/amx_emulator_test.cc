#include "tests/worker/trainer/kernels/amx_emulator.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/worker/trainer/kernels/kernel_set.h"
#include "worker/trainer/kernels/cpu/tiles.h"
#include "worker/trainer/kernels/gemm.h"

#if defined(__x86_64__)

namespace lathe::trainer::kernels {
namespace {

std::uint16_t Bits(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<std::uint16_t>(bits >> 16);
}

/// One step of one row times one column, by the kernels' own instructions.
class MatrixUnitTest : public KernelSetTest {
 protected:
  struct Operands {
    float left[4] = {};
    float right[4] = {};
  };
  static float Product(const Operands& operands, float sum) {
    Bfloat16 left[4];
    Bfloat16 right[4];
    for (int i = 0; i < 4; ++i) {
      left[i].bits = Bits(operands.left[i]);
      right[i].bits = Bits(operands.right[i]);
    }
    alignas(64) std::uint32_t rows[kMostTileRows * 16 + kPackSlack];
    alignas(64) std::uint32_t columns[kTileColumns * 16];
    kMatrixUnitTiles.enter();
    kMatrixUnitTiles.pack_rows({left, 4, 1}, 4, 1, rows);
    kMatrixUnitTiles.pack_columns({right, 4, 1}, 4, columns);
    const TileSegment segment{rows, columns, 16};
    TileProduct<Bfloat16> product;
    product.segments = &segment;
    product.segment_count = 1;
    product.rows = 1;
    product.columns = 1;
    product.partial = &sum;
    product.partial_stride = 1;
    product.continues = true;
    kMatrixUnitTiles.multiply(product);
    kMatrixUnitTiles.leave();
    return sum;
  }
};

TEST_P(MatrixUnitTest, PairsAreSummedApartAndSubnormalsAreZero) {
  EXPECT_EQ(Product({{1, 2, 3, 4}, {5, 6, 7, 8}}, 100), 100 + 5 + 12 + 21 + 32);
  // First values alone: 2^24 + 1 is rounded, then -2^24 comes; second ones leave 1 as it is.
  const float big = std::ldexp(1.0F, 24);
  EXPECT_EQ(Product({{big, 0, 1, 0}, {1, 0, 1, 0}}, -big), 0);
  EXPECT_EQ(Product({{big, 1, 0, 0}, {1, 1, 0, 0}}, -big), 0);
  EXPECT_EQ(Product({{big, 1, -big, 0}, {1, 1, 1, 0}}, 0), 1);
  const float tiny = std::ldexp(1.0F, -100);
  EXPECT_EQ(Product({{tiny, 0, 0, 0}, {tiny, 0, 0, 0}}, 0), 0);
  EXPECT_EQ(Product({{0, 0, 0, 0}, {1, 1, 1, 1}}, std::numeric_limits<float>::denorm_min()), 0);
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isnan(Product({{infinity, 0, 0, 0}, {0, 1, 1, 1}}, 0)));
}

TEST_P(MatrixUnitTest, ComputeTheProducts) {
  const std::int64_t before = EmulatedProducts();
  PackedRows packed(Random(64, 64));
  Multiply(packed, Random(64, 64));
  // 2 x 2 tiles of four registers, two steps each.
  const std::int64_t emulated = HasCpuKernels(CpuKernels::kAmx) ? 0 : 4 * 4 * 2;
  EXPECT_EQ(EmulatedProducts() - before, emulated);
}

TEST_P(MatrixUnitTest, NothingIsMultipliedBeforeEnter) {
  if (HasCpuKernels(CpuKernels::kAmx)) {
    GTEST_SKIP() << "on a processor with matrix units nothing is emulated: it ends a test without "
                    "the emulator's message";
  }
  TileProduct<Bfloat16> product;
  product.rows = 1;
  product.columns = 1;
  EXPECT_DEATH(kMatrixUnitTiles.multiply(product), "without a configuration");
}

INSTANTIATE_TEST_SUITE_P(Sets, MatrixUnitTest,
                         testing::Values(KernelSet{at::kBFloat16, CpuKernels::kAmx}), NameOf);

}  // namespace
}  // namespace lathe::trainer::kernels

#endif
