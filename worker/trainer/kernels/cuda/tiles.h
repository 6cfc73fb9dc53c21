#pragma once
// Matrix products of a warp: tiles of 16-bit values that the block shares, from either way in which
// they may lie, to the operands of the matrix unit. A product is d [16, 8] += left [16, 16] right
// [16, 8], k counting along the 16 that are summed over. Which lane holds what: device_language.h.

#include "worker/trainer/kernels/cuda/device_language.h"
#include "worker/trainer/kernels/cuda/element.h"

namespace lathe::trainer::kernels::cuda {

inline constexpr int kTileRows = 16;
inline constexpr int kTileColumns = 8;
inline constexpr int kTileDepth = 16;
/// Values by which a row of shared memory is longer than what it holds: eight rows that are 16
/// bytes beyond a multiple of 128 apart are read without a conflict of banks.
inline constexpr int kTilePadding = 8;

/// As a warp holds it.
struct LeftTile {
  std::uint32_t words[4];
};
/// Two tiles side by side: columns 0 to 7, and 8 to 15.
struct RightTiles {
  std::uint32_t words[2][2];
};
struct ResultTile {
  float values[4];

  /// Of values[i] in the lane that calls.
  static LATHE_DEVICE int Row(int i) {
    return static_cast<int>(ThreadIndex() % kWarp) / 4 + i / 2 * 8;
  }
  static LATHE_DEVICE int Column(int i) {
    return static_cast<int>(ThreadIndex() % kWarp) % 4 * 2 + i % 2;
  }
};

/// Of 16 rows of 16 values, `stride` values apart: the row that this lane names to LoadTiles, such
/// that the tiles come row by row (upper left, upper right, ...), or column by column.
template <class T>
LATHE_DEVICE const T* RowByRow(const T* first, int stride) {
  const int lane = static_cast<int>(ThreadIndex() % kWarp);
  return first + (lane % 8 + lane / 16 * 8) * stride + lane / 8 % 2 * 8;
}
template <class T>
LATHE_DEVICE const T* ColumnByColumn(const T* first, int stride) {
  const int lane = static_cast<int>(ThreadIndex() % kWarp);
  return first + lane % 16 * stride + lane / 16 * 8;
}

/// From rows of the left matrix, each along k.
template <class T>
LATHE_DEVICE LeftTile LoadLeft(const T* first, int stride) {
  LeftTile tile;
  LoadTiles(tile.words, ColumnByColumn(first, stride));
  return tile;
}
/// From a matrix whose rows are the left one's columns.
template <class T>
LATHE_DEVICE LeftTile LoadLeftTransposed(const T* first, int stride) {
  LeftTile tile;
  LoadTilesTransposed(tile.words, RowByRow(first, stride));
  return tile;
}

/// From a matrix whose rows are the right one's columns, each along k.
template <class T>
LATHE_DEVICE RightTiles LoadRight(const T* first, int stride) {
  std::uint32_t words[4];
  LoadTiles(words, RowByRow(first, stride));
  return {{{words[0], words[1]}, {words[2], words[3]}}};
}
/// From rows of the right matrix.
template <class T>
LATHE_DEVICE RightTiles LoadRightTransposed(const T* first, int stride) {
  std::uint32_t words[4];
  LoadTilesTransposed(words, ColumnByColumn(first, stride));
  return {{{words[0], words[1]}, {words[2], words[3]}}};
}

/// sum += left times one of the two tiles.
template <class T>
LATHE_DEVICE void Multiply(ResultTile& sum, const LeftTile& left, const std::uint32_t (&right)[2]);
template <>
LATHE_DEVICE void Multiply<Bf16>(ResultTile& sum, const LeftTile& left,
                                 const std::uint32_t (&right)[2]) {
  MultiplyBf16Tiles(sum.values, left.words, right);
}
template <>
LATHE_DEVICE void Multiply<Fp16>(ResultTile& sum, const LeftTile& left,
                                 const std::uint32_t (&right)[2]) {
  MultiplyFp16Tiles(sum.values, left.words, right);
}

}  // namespace lathe::trainer::kernels::cuda
