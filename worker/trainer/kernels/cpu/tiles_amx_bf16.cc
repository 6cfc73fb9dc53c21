// bf16 tiles by matrix units.

#include "worker/trainer/kernels/cpu/tiles_amx.inc"

namespace lathe::trainer::kernels {
namespace {

struct PairStep {
  using T = Bfloat16;
  static constexpr std::int64_t kUnits = kStepPairs;
  static constexpr std::int64_t kGroup = 8;
  static constexpr std::int64_t kNearUnits = 384;  ///< 48 KB

  template <int kRowTiles, int kColumnTiles, bool kPass>
  static void Add(const std::uint32_t* rows, const std::uint32_t* columns) {
    if constexpr (kPass) {
      _tile_stream_loadd(4, rows, kRowBytes);
    } else {
      _tile_loadd(4, rows, kRowBytes);
    }
    _tile_loadd(6, columns, kColumnBytes);
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (kColumnTiles > 1) {
      _tile_loadd(7, columns + kLanes, kColumnBytes);
      _tile_dpbf16ps(1, 4, 7);
    }
    if constexpr (kRowTiles > 1) {
      if constexpr (kPass) {
        _tile_stream_loadd(5, rows + kRegisterUnits, kRowBytes);
      } else {
        _tile_loadd(5, rows + kRegisterUnits, kRowBytes);
      }
      _tile_dpbf16ps(2, 5, 6);
      if constexpr (kColumnTiles > 1) _tile_dpbf16ps(3, 5, 7);
    }
  }

  static void PackAcross(const Lines<T>& lines, std::int64_t columns, std::uint32_t* to) {
    PackColumnsAcross<T, kUnits>(lines, columns, to);
  }
};

void PackTileRows(const Lines<Bfloat16>& lines, std::int64_t depth, float scale,
                  std::uint32_t* to) {
  const std::int64_t units = Units<Bfloat16>(depth);
  const std::int64_t rows = lines.count > kRegisterRows ? kTileRows : kRegisterRows;
  for (std::int64_t begin = 0; begin < units; begin += kStepPairs) {
    std::uint32_t* const step = to + begin * kTileRows;
    const std::int64_t element = begin * kElementsPerUnit<Bfloat16>;
    for (std::int64_t row = 0; row < lines.count; ++row) {
      const Bfloat16* const line = lines.data + row * lines.stride + element;
      const __m512i values = LoadUnits(line, depth - element);
      _mm512_storeu_si512(step + row * kStepPairs,
                          scale == 1.0F ? values : Scaled(values, scale, line));
    }
    for (std::int64_t row = lines.count; row < rows; ++row) {
      _mm512_storeu_si512(step + row * kStepPairs, _mm512_setzero_si512());
    }
  }
}

void PackTileRowsAcross(const Lines<Bfloat16>& lines, std::int64_t rows, std::uint32_t* to) {
  const std::int64_t units = Units<Bfloat16>(lines.count);
  for (std::int64_t begin = 0; begin < units; begin += kStepPairs) {
    __m512i first[16];
    __m512i second[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      const ColumnUnits unit = begin + i < units
                                   ? LoadAcross(lines, begin + i, rows)
                                   : ColumnUnits{_mm512_setzero_si512(), _mm512_setzero_si512()};
      first[i] = unit.first;
      second[i] = unit.second;
    }
    std::uint32_t* const step = to + begin * kTileRows;
    Transpose(first);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) _mm512_storeu_si512(step + i * kStepPairs, first[i]);
    if (rows <= kRegisterRows) continue;
    Transpose(second);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      _mm512_storeu_si512(step + (kRegisterRows + i) * kStepPairs, second[i]);
    }
  }
}

}  // namespace

const TileKernels<Bfloat16> kMatrixUnitTiles = {{.rows = kTileRows,
                                                 .step = PairStep::kUnits,
                                                 .values = kStepValues,
                                                 .keeps_panels = true,
                                                 .group = PairStep::kGroup,
                                                 .depth = 1536,
                                                 .together = 150 << 10},
                                                &Enter,
                                                &Leave,
                                                &PackTileRows,
                                                &PackTileRowsAcross,
                                                &PackColumns<Bfloat16, kStepPairs>,
                                                &PackColumnsAcross<Bfloat16, kStepPairs>,
                                                &MultiplyGroup<PairStep>,
                                                &OuterTile<PairStep>};

}  // namespace lathe::trainer::kernels
