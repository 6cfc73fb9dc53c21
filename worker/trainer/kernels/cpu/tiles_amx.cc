// bf16 tiles for processors with matrix units (AMX): 32 x 32 sums in four tile registers, two more
// for 2 x 16 rows and two for 2 x 16 columns, so that each tile register that is loaded serves two
// products. Reasons and figures are in the room's README. Internal linkage as in tile_lines.inc.

#include "worker/trainer/kernels/cpu/tile_lines.inc"

namespace lathe::trainer::kernels {
namespace {

/// Units of a step: one tile register's.
constexpr std::int64_t kStep = 16;
/// Rows of a tile register; a tile has those of two.
constexpr std::int64_t kRegisterRows = 16;
constexpr std::int64_t kTileRows = 2 * kRegisterRows;
/// Bytes from one row of packed rows, of packed columns and of sums to the next.
constexpr std::int64_t kRowBytes = kStep * sizeof(std::uint32_t);
constexpr std::int64_t kColumnBytes = kTileColumns * sizeof(std::uint32_t);
constexpr std::int64_t kSumBytes = kTileColumns * sizeof(float);

/// As ldtilecfg reads it: eight tile registers of 16 rows of 64 bytes.
struct alignas(64) Configuration {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr Configuration kConfiguration;

void Enter() {
  _tile_loadconfig(&kConfiguration);
}
/// From here on a change of threads need not save tile registers.
void Leave() {
  _tile_release();
}

/// GCC's intrinsics do not say that they read memory: stores stay on their side of this.
inline void Barrier() {
  asm volatile("" ::: "memory");
}

void PackTileRows(const Lines<Bfloat16>& lines, std::int64_t depth, float scale,
                  std::uint32_t* to) {
  const std::int64_t units = Units<Bfloat16>(depth);
  const std::int64_t rows = lines.count > kRegisterRows ? kTileRows : kRegisterRows;
  for (std::int64_t begin = 0; begin < units; begin += kStep) {
    std::uint32_t* const step = to + begin * kTileRows;
    const std::int64_t element = begin * kElementsPerUnit<Bfloat16>;
    for (std::int64_t row = 0; row < lines.count; ++row) {
      const Bfloat16* const line = lines.data + row * lines.stride + element;
      const __m512i values = LoadUnits(line, depth - element);
      _mm512_storeu_si512(step + row * kStep, scale == 1.0F ? values : Scaled(values, scale, line));
    }
    for (std::int64_t row = lines.count; row < rows; ++row) {
      _mm512_storeu_si512(step + row * kStep, _mm512_setzero_si512());
    }
  }
}

void PackTileRowsAcross(const Lines<Bfloat16>& lines, std::int64_t rows, std::uint32_t* to) {
  const std::int64_t units = Units<Bfloat16>(lines.count);
  for (std::int64_t begin = 0; begin < units; begin += kStep) {
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
    for (int i = 0; i < 16; ++i) _mm512_storeu_si512(step + i * kStep, first[i]);
    if (rows <= kRegisterRows) continue;
    Transpose(second);
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) {
      _mm512_storeu_si512(step + (kRegisterRows + i) * kStep, second[i]);
    }
  }
}

/// Sums in memory, for tiles with fewer rows or columns and for what becomes bf16.
struct alignas(64) Sums {
  float row[kTileRows][kTileColumns];
};

// Tile registers are named in instructions: 0 to 3 are sums, of the first 16 rows 0 and 1, of the
// others 2 and 3; 4 and 5 rows; 6 and 7 columns.

template <int kRowTiles, int kColumnTiles>
inline void ZeroSums() {
  _tile_zero(0);
  if constexpr (kColumnTiles > 1) _tile_zero(1);
  if constexpr (kRowTiles > 1) _tile_zero(2);
  if constexpr (kRowTiles > 1 && kColumnTiles > 1) _tile_zero(3);
}

template <int kRowTiles, int kColumnTiles>
inline void LoadSums(const float* from, std::int64_t bytes) {
  Barrier();
  const float* const second = from + kRegisterRows * bytes / std::int64_t{sizeof(float)};
  _tile_loadd(0, from, bytes);
  if constexpr (kColumnTiles > 1) _tile_loadd(1, from + kLanes, bytes);
  if constexpr (kRowTiles > 1) _tile_loadd(2, second, bytes);
  if constexpr (kRowTiles > 1 && kColumnTiles > 1) _tile_loadd(3, second + kLanes, bytes);
  Barrier();
}

template <int kRowTiles, int kColumnTiles>
inline void StoreSums(float* to, std::int64_t bytes) {
  float* const second = to + kRegisterRows * bytes / std::int64_t{sizeof(float)};
  _tile_stored(0, to, bytes);
  if constexpr (kColumnTiles > 1) _tile_stored(1, to + kLanes, bytes);
  if constexpr (kRowTiles > 1) _tile_stored(2, second, bytes);
  if constexpr (kRowTiles > 1 && kColumnTiles > 1) _tile_stored(3, second + kLanes, bytes);
}

/// Sums += one step of rows times one of columns.
template <int kRowTiles, int kColumnTiles>
inline void AddStep(const std::uint32_t* rows, const std::uint32_t* columns) {
  _tile_loadd(4, rows, kRowBytes);
  _tile_loadd(6, columns, kColumnBytes);
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (kColumnTiles > 1) {
    _tile_loadd(7, columns + kLanes, kColumnBytes);
    _tile_dpbf16ps(1, 4, 7);
  }
  if constexpr (kRowTiles > 1) {
    _tile_loadd(5, rows + kRegisterRows * kStep, kRowBytes);
    _tile_dpbf16ps(2, 5, 6);
    if constexpr (kColumnTiles > 1) _tile_dpbf16ps(3, 5, 7);
  }
}

/// Brings what will be needed next nearer, at each step as much as lets it end with the steps.
class Fetcher {
 public:
  explicit Fetcher(const TileProduct<Bfloat16>& product)
      : from_(product.fetch.from), stride_(product.fetch.stride), left_(product.fetch.count) {
    if (left_ == 0) return;
    // Segments after the first are short.
    const std::int64_t steps = product.segments[0].units / kStep;
    a_step_ = (left_ + steps - 1) / steps;
  }

  void Step() {
    for (std::int64_t i = 0; i < a_step_ && left_ > 0; ++i, --left_, from_ += stride_) {
      _mm_prefetch(from_, _MM_HINT_T1);
      _mm_prefetch(from_ + 64, _MM_HINT_T1);
    }
  }

 private:
  const char* from_;
  std::int64_t stride_;
  std::int64_t left_;
  std::int64_t a_step_ = 0;
};

/// Rows of partial sums, missing columns as zeros.
inline void CopyPartial(const TileProduct<Bfloat16>& product, Sums& sums) {
  const __mmask16 first = FirstLanes(product.columns);
  const __mmask16 second = product.columns > kLanes ? FirstLanes(product.columns - kLanes) : 0;
  for (std::int64_t r = 0; r < kTileRows; ++r) {
    const float* const from = product.partial + r * product.partial_stride;
    const bool is = r < product.rows;
    _mm512_store_ps(sums.row[r], _mm512_maskz_loadu_ps(is ? first : 0, from));
    _mm512_store_ps(sums.row[r] + kLanes, _mm512_maskz_loadu_ps(is ? second : 0, from + kLanes));
  }
}

/// Sums to where the product wants them, whole rows at a time.
inline void WriteResult(const TileProduct<Bfloat16>& product, const Sums& sums) {
  const __mmask16 first = FirstLanes(product.columns);
  const __mmask16 second = product.columns > kLanes ? FirstLanes(product.columns - kLanes) : 0;
  if (product.out == nullptr) {
    for (std::int64_t r = 0; r < product.rows; ++r) {
      float* const to = product.partial + r * product.partial_stride;
      StoreRow(to, _mm512_load_ps(sums.row[r]), first);
      StoreRow(to + kLanes, _mm512_maskz_load_ps(second, sums.row[r] + kLanes), second);
    }
    return;
  }
  __m512 bias[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  if (product.bias != nullptr) {
    bias[0] = _mm512_maskz_loadu_ps(first, product.bias);
    bias[1] = _mm512_maskz_loadu_ps(second, product.bias + kLanes);
  }
  const __mmask32 both = FirstHalves(product.columns);
  for (std::int64_t r = 0; r < product.rows; ++r) {
    const __m512 low = _mm512_add_ps(_mm512_load_ps(sums.row[r]), bias[0]);
    const __m512 high = _mm512_add_ps(_mm512_maskz_load_ps(second, sums.row[r] + kLanes), bias[1]);
    _mm512_mask_storeu_epi16(product.out + r * product.out_stride, both,
                             (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
}

/// The rows of a result are fetched to be written while it is computed.
inline void FetchResult(const TileProduct<Bfloat16>& product) {
  if (product.out == nullptr) return;
  for (std::int64_t r = 0; r < product.rows; ++r) {
    __builtin_prefetch(product.out + r * product.out_stride, 1);
  }
}

template <int kRowTiles, int kColumnTiles>
void Multiply(const TileProduct<Bfloat16>& product) {
  Sums sums;
  // Partial sums of whole registers lie where they can be loaded from and stored to as they are.
  const bool whole =
      product.rows == kRowTiles * kRegisterRows && product.columns == kColumnTiles * kLanes;
  const std::int64_t partial_bytes = product.partial_stride * std::int64_t{sizeof(float)};
  if (!product.continues) {
    ZeroSums<kRowTiles, kColumnTiles>();
  } else if (whole) {
    LoadSums<kRowTiles, kColumnTiles>(product.partial, partial_bytes);
  } else {
    CopyPartial(product, sums);
    LoadSums<kRowTiles, kColumnTiles>(sums.row[0], kSumBytes);
  }
  FetchResult(product);
  Fetcher fetcher(product);
  for (std::int64_t s = 0; s < product.segment_count; ++s) {
    const TileSegment& segment = product.segments[s];
    for (std::int64_t unit = 0; unit < segment.units; unit += kStep) {
      AddStep<kRowTiles, kColumnTiles>(segment.rows + unit * kTileRows,
                                       segment.columns + unit * kTileColumns);
      fetcher.Step();
    }
  }
  if (product.out == nullptr && whole) {
    return StoreSums<kRowTiles, kColumnTiles>(product.partial, partial_bytes);
  }
  StoreSums<kRowTiles, kColumnTiles>(sums.row[0], kSumBytes);
  WriteResult(product, sums);
}

/// Calls the instance of as many registers as the product needs.
void MultiplyTile(const TileProduct<Bfloat16>& product) {
  const bool narrow = product.columns <= kLanes;
  if (product.rows <= kRegisterRows) {
    return narrow ? Multiply<1, 1>(product) : Multiply<1, 2>(product);
  }
  return narrow ? Multiply<2, 1>(product) : Multiply<2, 2>(product);
}

template <int kRowTiles>
void Outer(const OuterProduct<Bfloat16>& product) {
  // Two steps of columns in turn: one is made while the other is multiplied.
  alignas(64) std::uint32_t columns[2][kStep][kTileColumns];
  ZeroSums<kRowTiles, 2>();
  const std::int64_t units = Units<Bfloat16>(product.right.count);
  for (std::int64_t begin = 0; begin < units; begin += kStep) {
    auto& step = columns[begin / kStep % 2];
    for (std::int64_t i = 0; i < kStep; ++i) {
      const ColumnUnits unit = begin + i < units
                                   ? LoadAcross(product.right, begin + i, product.columns)
                                   : ColumnUnits{_mm512_setzero_si512(), _mm512_setzero_si512()};
      _mm512_store_si512(step[i], unit.first);
      _mm512_store_si512(step[i] + kLanes, unit.second);
    }
    Barrier();
    AddStep<kRowTiles, 2>(product.rows + begin * kTileRows, step[0]);
    Barrier();
  }
  StoreSums<kRowTiles, 2>(product.tile, kSumBytes);
}

void OuterTile(const OuterProduct<Bfloat16>& product) {
  return product.row_count <= kRegisterRows ? Outer<1>(product) : Outer<2>(product);
}

}  // namespace

const TileKernels<Bfloat16> kMatrixUnitTiles = {{.rows = kTileRows, .step = kStep},
                                                &Enter,
                                                &Leave,
                                                &PackTileRows,
                                                &PackTileRowsAcross,
                                                &PackColumns<Bfloat16, kStep>,
                                                &PackColumnsAcross<Bfloat16, kStep>,
                                                &MultiplyTile,
                                                &OuterTile};

}  // namespace lathe::trainer::kernels
