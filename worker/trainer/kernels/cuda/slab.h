#pragma once
// Parts of matrices of 16-bit values on their way from memory to what a block shares. They are
// fetched to registers while the block still computes with the parts before, and put down when it
// has done so.

#include "worker/trainer/kernels/cuda/dispatch.h"
#include "worker/trainer/kernels/cuda/low_rank_launch.h"
#include "worker/trainer/kernels/cuda/tiles.h"

namespace lathe::trainer::kernels::cuda {

/// Of the blocks that fetch slabs.
inline constexpr int kSlabThreads = 256;
/// Values of a memory access.
inline constexpr int kSlabPiece = static_cast<int>(kAccessBytes) / 2;

/// Whether a matrix can be read in pieces.
LATHE_HOST_DEVICE bool LiesInPieces(const MatrixView& matrix) {
  return reinterpret_cast<std::uintptr_t>(matrix.data) % kAccessBytes == 0 &&
         matrix.stride % kSlabPiece == 0 && matrix.columns % kSlabPiece == 0;
}

template <int kRows, int kColumns>
class Slab {
 public:
  static constexpr int kStride = kColumns + kTilePadding;  ///< of its rows where it is shared
  static constexpr int kValues = kRows * kStride;

  /// From this row and column on; beyond the matrix there are zeros.
  LATHE_DEVICE void FetchPieces(const MatrixView& from, std::int64_t row, std::int64_t column) {
    Fetch(from, row, column, [](const std::uint16_t* values, std::int64_t) {
      return LoadPack<std::uint32_t, 4>(reinterpret_cast<const std::uint32_t*>(values));
    });
  }
  /// The same of a matrix that need not lie in pieces.
  LATHE_DEVICE void FetchAny(const MatrixView& from, std::int64_t row, std::int64_t column) {
    if (LiesInPieces(from)) return FetchPieces(from, row, column);
    Fetch(from, row, column, [](const std::uint16_t* values, std::int64_t count) {
      Pack<std::uint32_t, 4> words;
      LATHE_UNROLL for (int i = 0; i < 4; ++i) {
        const std::uint32_t low = 2 * i < count ? values[2 * i] : 0;
        const std::uint32_t high = 2 * i + 1 < count ? values[2 * i + 1] : 0;
        words.values[i] = low | high << 16;
      }
      return words;
    });
  }

  /// shared: kValues, on kAccessBytes.
  LATHE_DEVICE void Put(std::uint16_t* shared) const {
    LATHE_UNROLL for (int i = 0; i < kEach; ++i) {
      const int piece = Piece(i);
      if (piece >= kPieces) continue;
      std::uint16_t* const to = shared + piece / kAcross * kStride + piece % kAcross * kSlabPiece;
      StorePack(pieces_[i], reinterpret_cast<std::uint32_t*>(to));
    }
  }

 private:
  static constexpr int kAcross = kColumns / kSlabPiece;
  static constexpr int kPieces = kRows * kAcross;
  static constexpr int kEach = (kPieces + kSlabThreads - 1) / kSlabThreads;

  static LATHE_DEVICE int Piece(int i) {
    return i * kSlabThreads + static_cast<int>(ThreadIndex());
  }

  /// load(values, how many of them there are) -> a piece.
  template <class Load>
  LATHE_DEVICE void Fetch(const MatrixView& from, std::int64_t row, std::int64_t column,
                          const Load& load) {
    LATHE_UNROLL for (int i = 0; i < kEach; ++i) {
      const int piece = Piece(i);
      const std::int64_t r = row + piece / kAcross;
      const std::int64_t c = column + piece % kAcross * kSlabPiece;
      pieces_[i] = Pack<std::uint32_t, 4>{};
      if (piece >= kPieces || r >= from.rows || c >= from.columns) continue;
      const auto* const data = static_cast<const std::uint16_t*>(from.data);
      pieces_[i] = load(data + r * from.stride + c, from.columns - c);
    }
  }

  Pack<std::uint32_t, 4> pieces_[kEach];
};

/// Groups of 16 columns that a narrow matrix has, as many as an instance is made for.
template <int N>
struct NarrowGroups {
  static constexpr int kGroups = N;
};
template <class Body>
void ForNarrowGroups(std::int64_t columns, const Body& body) {
  if (columns <= kTileRows) return body(NarrowGroups<1>{});
  if (columns <= 2 * kTileRows) return body(NarrowGroups<2>{});
  if (columns <= 3 * kTileRows) return body(NarrowGroups<3>{});
  body(NarrowGroups<4>{});
}
template <class Body>
void ForHalfType(Element element, const Body& body) {
  if (element == Element::kBfloat16) return body(Bf16{});
  body(Fp16{});
}

/// Blocks that compute at once on the largest GPUs, two on each of 132 multiprocessors: as many are
/// wanted as that, where sums are long enough to be split.
inline constexpr std::int64_t kBlocksAtOnce = 264;
/// Of the depth of a sum: what a block takes at a time, and what makes a split worth its sums.
inline constexpr int kSlabDepth = 64;
inline constexpr std::int64_t kLeastDepth = 4 * kSlabDepth;

/// How much of a sum `depth` long one block takes where so many blocks would take all of it.
inline std::int64_t DepthOfSplit(std::int64_t depth, std::int64_t blocks) {
  const std::int64_t wanted = blocks == 0 || blocks > kBlocksAtOnce ? 1 : kBlocksAtOnce / blocks;
  const std::int64_t each = DivideUp(DivideUp(depth, wanted), kSlabDepth) * kSlabDepth;
  return each < kLeastDepth ? kLeastDepth : each;
}

}  // namespace lathe::trainer::kernels::cuda
