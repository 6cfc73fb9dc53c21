// Tiles on matrix units: from each way in which an operand may lie, the product is that of the
// matrices.

#include "worker/trainer/kernels/cuda/tiles.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr int kStride = 16 + kTilePadding;

/// result [16, 16] = left right. left is [16, k] or its transpose, right [k, 16] or its transpose.
template <class T>
LATHE_KERNEL Product(bool left_transposed, bool right_transposed, const T* left, const T* right,
                     float* result) {
  alignas(16) LATHE_SHARED T shared[2][16 * kStride];
  for (unsigned i = ThreadIndex(); i < 256; i += BlockSize()) {
    shared[0][i / 16 * kStride + i % 16] = left[i];
    shared[1][i / 16 * kStride + i % 16] = right[i];
  }
  SyncBlock();
  const LeftTile a =
      left_transposed ? LoadLeftTransposed(shared[0], kStride) : LoadLeft(shared[0], kStride);
  // Rows of the right matrix are what LoadRight takes for columns.
  const RightTiles b =
      right_transposed ? LoadRight(shared[1], kStride) : LoadRightTransposed(shared[1], kStride);
  for (int half = 0; half < 2; ++half) {
    ResultTile sum{};
    Multiply<T>(sum, a, b.words[half]);
    for (int i = 0; i < 4; ++i) {
      result[ResultTile::Row(i) * 16 + half * 8 + ResultTile::Column(i)] = sum.values[i];
    }
  }
}

template <class T>
void ExpectProducts() {
  // Small whole numbers: every sum is exact.
  const auto left = [](int row, int k) { return static_cast<float>((3 * row + 5 * k) % 11 - 4); };
  const auto right = [](int k, int column) {
    return static_cast<float>((7 * k + 2 * column) % 13 - 6);
  };
  std::vector<float> want(256);
  for (int i = 0; i < 256; ++i) {
    for (int k = 0; k < 16; ++k) {
      want[static_cast<std::size_t>(i)] += left(i / 16, k) * right(k, i % 16);
    }
  }
  for (const bool left_transposed : {false, true}) {
    for (const bool right_transposed : {false, true}) {
      std::vector<T> a;
      std::vector<T> b;
      for (int i = 0; i < 256; ++i) {
        const int row = i / 16;
        const int column = i % 16;
        a.push_back(FromFloat<T>(left_transposed ? left(column, row) : left(row, column)));
        b.push_back(FromFloat<T>(right_transposed ? right(column, row) : right(row, column)));
      }
      std::vector<float> got(256);
      Launch(Product<T>, 1, kWarp, nullptr, left_transposed, right_transposed,
             static_cast<const T*>(a.data()), static_cast<const T*>(b.data()), got.data());
      EXPECT_EQ(got, want) << left_transposed << right_transposed;
    }
  }
}

TEST(TilesTest, ProductsFromEitherLayout) {
  ExpectProducts<Bf16>();
  ExpectProducts<Fp16>();
}

LATHE_KERNEL LoadsFromAnOddPlace(const std::uint16_t* values) {
  std::uint32_t tiles[4];
  LoadTiles(tiles, values + ThreadIndex());
}

TEST(TilesDeathTest, RowsThatAMatrixUnitCannotLoadEndTheProgram) {
  const std::vector<std::uint16_t> values(64);
  EXPECT_DEATH(Launch(LoadsFromAnOddPlace, 1, kWarp, nullptr, values.data()), "on 16 bytes");
}

}  // namespace
}  // namespace lathe::trainer::kernels::cuda
