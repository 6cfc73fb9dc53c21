#pragma once
// Tiles of a product that a block computes with a quantised weight: what its threads share, how its
// warps divide the sums, and the low-rank product that these begin with.

#include "worker/trainer/kernels/cuda/launch.h"
#include "worker/trainer/kernels/cuda/tiles.h"
#include "worker/trainer/kernels/cuda/weight_steps.h"

namespace lathe::trainer::kernels::cuda::stored {

inline constexpr int kThreads = 128;
inline constexpr int kWarps = kThreads / kWarp;
/// Of the result, and of the sum, that a block works on at a time.
inline constexpr int kColumns = 64;
inline constexpr int kDepth = 64;
/// Values from row to row of what a block shares.
inline constexpr int kStride = kDepth + kTilePadding;
/// Of x, that a thread reads and writes at once.
inline constexpr int kPiece = static_cast<int>(kTilesStep);
inline constexpr int kPieces = kDepth / kPiece;

/// How the warps of a block share a tile of so many rows.
template <int kRows>
struct Shares {
  static constexpr int kDown = kRows == kTileRows ? 1 : 2;
  static constexpr int kAcross = kWarps / kDown;
  static constexpr int kLeft = kRows / kDown / kTileRows;                 ///< tiles of a warp
  static constexpr int kRight = kColumns / kAcross / (2 * kTileColumns);  ///< pairs of tiles
  static constexpr int kPiecesEach = kRows * kPieces / kThreads;          ///< of x, for each thread
};

/// What one block computes.
struct Place {
  std::int64_t row;
  std::int64_t column;
  std::int64_t split;
};

template <class T, int kRows>
struct Shared {
  alignas(kTilesAlignment) T left[kRows * kStride];
  alignas(kTilesAlignment) T right[kColumns * kStride];
};

/// The sums of a warp.
template <class T, int kRows, bool kThrough>
struct Sums {
  using Share = Shares<kRows>;
  ResultTile tiles[Share::kLeft][Share::kRight][2];

  static LATHE_DEVICE int FirstRow() {
    return static_cast<int>(ThreadIndex() / kWarp) / Share::kAcross * Share::kLeft * kTileRows;
  }
  static LATHE_DEVICE int FirstColumn() {
    return static_cast<int>(ThreadIndex() / kWarp) % Share::kAcross * Share::kRight * 2 *
           kTileColumns;
  }

  LATHE_DEVICE void Clear() {
    LATHE_UNROLL for (int i = 0; i < Share::kLeft; ++i) {
      LATHE_UNROLL for (int j = 0; j < Share::kRight; ++j) {
        tiles[i][j][0] = {};
        tiles[i][j][1] = {};
      }
    }
  }

  /// Adds the product of what is shared, from k on, as deep as a tile.
  LATHE_DEVICE void Add(const Shared<T, kRows>& shared, int k) {
    LeftTile left[Share::kLeft];
    LATHE_UNROLL for (int i = 0; i < Share::kLeft; ++i) {
      left[i] = LoadLeft(shared.left + (FirstRow() + i * kTileRows) * kStride + k, kStride);
    }
    LATHE_UNROLL for (int j = 0; j < Share::kRight; ++j) {
      const int column = FirstColumn() + j * 2 * kTileColumns;
      const RightTiles right =
          kThrough ? LoadRightTransposed(shared.right + k * kStride + column, kStride)
                   : LoadRight(shared.right + column * kStride + k, kStride);
      LATHE_UNROLL for (int i = 0; i < Share::kLeft; ++i) {
        Multiply<T>(tiles[i][j][0], left[i], right.words[0]);
        Multiply<T>(tiles[i][j][1], left[i], right.words[1]);
      }
    }
  }

  /// Calls body(row, column, value) for each value of this lane, which may be changed.
  template <class Body>
  LATHE_DEVICE void ForEach(const Body& body) {
    LATHE_UNROLL for (int i = 0; i < Share::kLeft; ++i) {
      LATHE_UNROLL for (int j = 0; j < Share::kRight; ++j) {
        LATHE_UNROLL for (int half = 0; half < 2; ++half) {
          LATHE_UNROLL for (int n = 0; n < 4; ++n) {
            body(FirstRow() + i * kTileRows + ResultTile::Row(n),
                 FirstColumn() + (2 * j + half) * kTileColumns + ResultTile::Column(n),
                 tiles[i][j][half].values[n]);
          }
        }
      }
    }
  }
};

/// Both sides of the low-rank product, from k on; 0 beyond their ends.
template <class T, int kRows, bool kThrough>
LATHE_DEVICE void ShareLowRank(const TilesCall& call, const Place& place, std::int64_t k,
                               Shared<T, kRows>& shared) {
  const Addition& addition = call.addition;
  for (int i = static_cast<int>(ThreadIndex()); i < kRows * kDepth; i += kThreads) {
    const std::int64_t row = place.row + i / kDepth;
    const std::int64_t rank = k + i % kDepth;
    const bool inside = row < call.rows && rank < addition.rank;
    shared.left[i / kDepth * kStride + i % kDepth] =
        inside ? static_cast<const T*>(addition.left)[row * addition.left_stride + rank] : T{};
  }
  for (int i = static_cast<int>(ThreadIndex()); i < kColumns * kDepth; i += kThreads) {
    const int line = i / kDepth;
    const int within = i % kDepth;
    const std::int64_t column = place.column + (kThrough ? within : line);
    const std::int64_t rank = k + (kThrough ? line : within);
    const bool inside = column < call.columns && rank < addition.rank;
    shared.right[line * kStride + within] =
        inside ? static_cast<const T*>(
                     addition.right)[column * addition.right_stride + rank * addition.right_step]
               : T{};
  }
}

/// Begins the sums with the low-rank product.
template <class T, int kRows, bool kThrough>
LATHE_DEVICE void AddLowRank(const TilesCall& call, const Place& place, Shared<T, kRows>& shared,
                             Sums<T, kRows, kThrough>& sums) {
  for (std::int64_t k = 0; k < call.addition.rank; k += kDepth) {
    SyncBlock();
    ShareLowRank<T, kRows, kThrough>(call, place, k, shared);
    SyncBlock();
    for (int step = 0; step < kDepth && k + step < call.addition.rank; step += kTileDepth) {
      sums.Add(shared, step);
    }
  }
  sums.ForEach([&](int, int, float& value) { value *= call.addition.scale; });
}

}  // namespace lathe::trainer::kernels::cuda::stored
