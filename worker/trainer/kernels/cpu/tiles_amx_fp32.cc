// fp32 tiles by matrix units: a value is the sum of three bf16 values, its first, middle and last
// eight bits, and a product the six of theirs that are not below the last bit of an fp32 product
// (Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For
// Higher-Precision Computations", 2019). Infinite values become NaN, subnormal ones zero.

#include "worker/trainer/kernels/cpu/tiles_amx.inc"

namespace lathe::trainer::kernels {
namespace {

constexpr int kParts = 3;
/// Of one part of a step, in packed rows and in packed columns.
constexpr std::int64_t kPartUnits = kStepPairs * kTileRows;
static_assert(kTileRows == kTileColumns);

template <int kRowTiles>
inline void LoadRows(const std::uint32_t* rows) {
  _tile_loadd(4, rows, kRowBytes);
  if constexpr (kRowTiles > 1) _tile_loadd(5, rows + kRegisterUnits, kRowBytes);
}
template <int kColumnTiles>
inline void LoadColumns(const std::uint32_t* columns) {
  _tile_loadd(6, columns, kColumnBytes);
  if constexpr (kColumnTiles > 1) _tile_loadd(7, columns + kLanes, kColumnBytes);
}
/// A sixth of an operand's step, into the first-level cache.
template <int kSixth>
inline void FetchSixth(const std::uint32_t* step) {
  constexpr std::int64_t kLine = 16;
  constexpr std::int64_t kLines = kParts * kPartUnits / kLine / 6;
#pragma GCC unroll 16
  for (std::int64_t i = 0; i < kLines; ++i) {
    _mm_prefetch(step + (kSixth * kLines + i) * kLine, _MM_HINT_T0);
  }
}

struct PartsStep {
  using T = float;
  static constexpr std::int64_t kUnits = kParts * kStepPairs;
  /// Packed operands are half as large again as others: no part of a panel stays near while blocks
  /// go by. Both operands come from the second-level cache, fetched a step ahead.
  static constexpr std::int64_t kGroup = 2;
  static constexpr std::int64_t kNearUnits = std::int64_t{1} << 40;

  /// Small products first; with each operand that is loaded, all that it takes part in next.
  template <int kRowTiles, int kColumnTiles, bool kPass>
  static void Add(const std::uint32_t* rows, const std::uint32_t* columns) {
    LoadRows<kRowTiles>(rows + 2 * kPartUnits);
    LoadColumns<kColumnTiles>(columns);
    Products<kRowTiles, kColumnTiles, 0>(rows, columns);
    LoadRows<kRowTiles>(rows + kPartUnits);
    Products<kRowTiles, kColumnTiles, 1>(rows, columns);
    LoadColumns<kColumnTiles>(columns + kPartUnits);
    Products<kRowTiles, kColumnTiles, 2>(rows, columns);
    LoadRows<kRowTiles>(rows);
    Products<kRowTiles, kColumnTiles, 3>(rows, columns);
    LoadColumns<kColumnTiles>(columns + 2 * kPartUnits);
    Products<kRowTiles, kColumnTiles, 4>(rows, columns);
    LoadColumns<kColumnTiles>(columns);
    Products<kRowTiles, kColumnTiles, 5>(rows, columns);
  }

  static void PackAcross(const Lines<T>& lines, std::int64_t columns, std::uint32_t* to);

 private:
  /// One of the six products, and a sixth of the next step fetched beside it.
  template <int kRowTiles, int kColumnTiles, int kSixth>
  static void Products(const std::uint32_t* rows, const std::uint32_t* columns) {
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kColumnTiles > 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (kRowTiles > 1) _tile_dpbf16ps(2, 5, 6);
    if constexpr (kRowTiles > 1 && kColumnTiles > 1) _tile_dpbf16ps(3, 5, 7);
    FetchSixth<kSixth>(rows + kUnits * kTileRows);
    FetchSixth<kSixth>(columns + kUnits * kTileColumns);
  }
};

/// Parts of 16 values, each in the high half of a lane.
struct Parts {
  __m512i part[kParts];
};
inline Parts PartsOf(__m512i bits) {
  const __m512i high = _mm512_set1_epi32(static_cast<int>(0xFFFF0000U));
  Parts parts;
  __m512 left = _mm512_castsi512_ps(bits);
#pragma GCC unroll 3
  for (int i = 0; i < kParts; ++i) {
    parts.part[i] = _mm512_and_si512(_mm512_castps_si512(left), high);
    left = _mm512_sub_ps(left, _mm512_castsi512_ps(parts.part[i]));
  }
  return parts;
}

/// A row's values of a step, parts apart.
inline void StoreRowParts(__m512i begin, __m512i end, std::uint32_t* to) {
  const Parts first = PartsOf(begin);
  const Parts second = PartsOf(end);
  // Of each lane the second half.
  const __m512i halves = _mm512_add_epi16(
      _mm512_set1_epi16(1),
      _mm512_slli_epi16(_mm512_set_epi16(31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17,
                                         16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
                        1));
#pragma GCC unroll 3
  for (int i = 0; i < kParts; ++i) {
    _mm512_storeu_si512(to + i * kPartUnits,
                        _mm512_permutex2var_epi16(first.part[i], halves, second.part[i]));
  }
}

/// 16 columns at two neighbours along the depth.
inline void StoreColumnParts(__m512i even, __m512i odd, std::uint32_t* to) {
  const Parts first = PartsOf(even);
  const Parts second = PartsOf(odd);
#pragma GCC unroll 3
  for (int i = 0; i < kParts; ++i) {
    _mm512_storeu_si512(to + i * kPartUnits,
                        _mm512_or_si512(_mm512_srli_epi32(first.part[i], 16), second.part[i]));
  }
}

void PackRows(const Lines<float>& lines, std::int64_t depth, float scale, std::uint32_t* to) {
  const std::int64_t rows = lines.count > kRegisterRows ? kTileRows : kRegisterRows;
  for (std::int64_t begin = 0; begin < depth; begin += kStepValues) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const bool is = row < lines.count;
      const float* const line = lines.data + (is ? row * lines.stride + begin : 0);
      const std::int64_t left = is ? depth - begin : 0;
      const __m512i first = LoadUnits(line, left);
      const __m512i second =
          left > kLanes ? LoadUnits(line + kLanes, left - kLanes) : _mm512_setzero_si512();
      StoreRowParts(Scaled(first, scale, line), Scaled(second, scale, line), to + row * kStepPairs);
    }
    to += kParts * kPartUnits;
  }
}

void PackRowsAcross(const Lines<float>& lines, std::int64_t rows, std::uint32_t* to) {
  for (std::int64_t begin = 0; begin < lines.count; begin += kStepValues) {
    for (std::int64_t row = 0; row < rows; row += kRegisterRows) {
      __m512i values[2][16];
      for (int half = 0; half < 2; ++half) {
        for (int i = 0; i < 16; ++i) {
          const std::int64_t line = begin + half * kLanes + i;
          values[half][i] = line < lines.count
                                ? LoadUnits(lines.data + line * lines.stride + row, rows - row)
                                : _mm512_setzero_si512();
        }
        Transpose(values[half]);
      }
      for (int i = 0; i < 16; ++i) {
        StoreRowParts(values[0][i], values[1][i], to + (row + i) * kStepPairs);
      }
    }
    to += kParts * kPartUnits;
  }
}

void PackColumns(const Lines<float>& lines, std::int64_t depth, std::uint32_t* to) {
  for (std::int64_t begin = 0; begin < depth; begin += kStepValues) {
    for (std::int64_t column = 0; column < kTileColumns; column += kLanes) {
      const Lines<float> half{lines.data + column * lines.stride, lines.stride,
                              lines.count - column};
      for (std::int64_t k = 0; k < kStepValues; k += kLanes) {
        __m512i r[16];
        if (begin + k < depth) {
          LoadMirrored(half, begin + k, depth, r);
        } else {
          for (__m512i& values : r) values = _mm512_setzero_si512();
        }
        for (int i = 0; i < 16; i += 2) {
          StoreColumnParts(r[i], r[i + 1], to + (k + i) / 2 * kTileColumns + column);
        }
      }
    }
    to += kParts * kPartUnits;
  }
}

void PackColumnsAcross(const Lines<float>& lines, std::int64_t columns, std::uint32_t* to) {
  for (std::int64_t begin = 0; begin < lines.count; begin += kStepValues) {
    for (std::int64_t k = 0; k < kStepValues; k += 2) {
      ColumnUnits at[2];
      for (int i = 0; i < 2; ++i) {
        at[i] = begin + k + i < lines.count
                    ? LoadAcross(lines, begin + k + i, columns)
                    : ColumnUnits{_mm512_setzero_si512(), _mm512_setzero_si512()};
      }
      StoreColumnParts(at[0].first, at[1].first, to + k / 2 * kTileColumns);
      StoreColumnParts(at[0].second, at[1].second, to + k / 2 * kTileColumns + kLanes);
    }
    to += kParts * kPartUnits;
  }
}

void PartsStep::PackAcross(const Lines<float>& lines, std::int64_t columns, std::uint32_t* to) {
  PackColumnsAcross(lines, columns, to);
}

}  // namespace

const TileKernels<float> kMatrixUnitFloat32Tiles = {{.rows = kTileRows,
                                                     .step = PartsStep::kUnits,
                                                     .values = kStepValues,
                                                     .group = PartsStep::kGroup,
                                                     .depth = 1024,
                                                     .together = 300 << 10},
                                                    &Enter,
                                                    &Leave,
                                                    &PackRows,
                                                    &PackRowsAcross,
                                                    &PackColumns,
                                                    &PackColumnsAcross,
                                                    &MultiplyGroup<PartsStep>,
                                                    &OuterTile<PartsStep>};

}  // namespace lathe::trainer::kernels
