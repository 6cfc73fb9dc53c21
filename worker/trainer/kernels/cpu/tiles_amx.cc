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
/// A panel of so many units of depth, 48 KB, stays in the first-level cache while a group of
/// blocks, which come from the second, goes by.
constexpr std::int64_t kNearUnits = 384;
constexpr std::int64_t kGroup = 8;
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

/// Sums += one step of rows times one of columns. Rows go by, columns stay in the first-level
/// cache: kPass keeps rows from driving them out.
template <int kRowTiles, int kColumnTiles, bool kPass>
inline void AddStep(const std::uint32_t* rows, const std::uint32_t* columns) {
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
      _tile_stream_loadd(5, rows + kRegisterRows * kStep, kRowBytes);
    } else {
      _tile_loadd(5, rows + kRegisterRows * kStep, kRowBytes);
    }
    _tile_dpbf16ps(2, 5, 6);
    if constexpr (kColumnTiles > 1) _tile_dpbf16ps(3, 5, 7);
  }
}

/// Brings what will be needed next nearer, at each step as much as lets it end with the steps.
class Fetcher {
 public:
  Fetcher(const TileProduct<Bfloat16>& product, std::int64_t blocks)
      : from_(product.fetch.from), stride_(product.fetch.stride), left_(product.fetch.count) {
    if (left_ == 0) return;
    // Segments after the first are short.
    const std::int64_t steps = blocks * (product.segments[0].units / kStep);
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

/// What of a product's columns there is, in two vectors.
struct ColumnMasks {
  explicit ColumnMasks(std::int64_t columns)
      : first(FirstLanes(columns)),
        second(columns > kLanes ? FirstLanes(columns - kLanes) : 0),
        both(FirstHalves(columns)) {}
  __mmask16 first;
  __mmask16 second;
  __mmask32 both;
};

/// Rows of partial sums, missing columns as zeros.
inline void CopyPartial(const float* from, std::int64_t stride, std::int64_t rows,
                        const ColumnMasks& masks, Sums& sums) {
  for (std::int64_t r = 0; r < kTileRows; ++r, from += stride) {
    const bool is = r < rows;
    _mm512_store_ps(sums.row[r], _mm512_maskz_loadu_ps(is ? masks.first : 0, from));
    _mm512_store_ps(sums.row[r] + kLanes,
                    _mm512_maskz_loadu_ps(is ? masks.second : 0, from + kLanes));
  }
}
inline void WritePartial(const Sums& sums, std::int64_t rows, const ColumnMasks& masks, float* to,
                         std::int64_t stride) {
  for (std::int64_t r = 0; r < rows; ++r, to += stride) {
    _mm512_mask_storeu_ps(to, masks.first, _mm512_load_ps(sums.row[r]));
    _mm512_mask_storeu_ps(to + kLanes, masks.second, _mm512_load_ps(sums.row[r] + kLanes));
  }
}

/// Brings sums to where they are wanted, a few rows at each step of the next block's product:
/// vector units have nothing else to do then, and sums that have just left the matrix unit need a
/// while until they can be read.
class Writer {
 public:
  explicit Writer(const TileProduct<Bfloat16>& product)
      : masks_(product.columns), bias_{_mm512_setzero_ps(), _mm512_setzero_ps()} {
    if (product.bias == nullptr) return;
    bias_[0] = _mm512_maskz_loadu_ps(masks_.first, product.bias);
    bias_[1] = _mm512_maskz_loadu_ps(masks_.second, product.bias + kLanes);
  }

  void Begin(const Sums& sums, std::int64_t rows, Bfloat16* to, std::int64_t stride) {
    from_ = sums.row[0];
    left_ = rows;
    to_ = to;
    stride_ = stride;
  }
  void Step() {
    constexpr std::int64_t kRowsAStep = 2;
    if (left_ > 0) Write(left_ < kRowsAStep ? left_ : kRowsAStep);
  }
  void Finish() { Write(left_); }

 private:
  void Write(std::int64_t rows) {
    left_ -= rows;
    for (; rows > 0; --rows, from_ += kTileColumns, to_ += stride_) {
      const __m512 low = _mm512_add_ps(_mm512_load_ps(from_), bias_[0]);
      const __m512 high = _mm512_add_ps(_mm512_load_ps(from_ + kLanes), bias_[1]);
      _mm512_mask_storeu_epi16(to_, masks_.both, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
  }

  ColumnMasks masks_;
  __m512 bias_[2];
  const float* from_ = nullptr;
  std::int64_t left_ = 0;
  Bfloat16* to_ = nullptr;
  std::int64_t stride_ = 0;
};

/// Fetches the rows of a result, to be written, while it is computed: two at each step. All at once
/// they would fill the core's list of lines under way, and operands would wait.
class Owner {
 public:
  Owner(const Bfloat16* out, std::int64_t stride, std::int64_t rows)
      : at_(out), stride_(stride), left_(out == nullptr ? 0 : rows) {}

  void Step() {
    if (left_ <= 0) return;
    __builtin_prefetch(at_, 1);
    __builtin_prefetch(at_ + stride_, 1);
    at_ += 2 * stride_;
    left_ -= 2;
  }

 private:
  const Bfloat16* at_;
  std::int64_t stride_;
  std::int64_t left_;
};

/// Blocks `begin` to `end` of a product, each with more than 16 rows if kRowTiles is 2.
template <int kRowTiles, int kColumnTiles>
void Multiply(const TileProduct<Bfloat16>& product, std::int64_t begin, std::int64_t end) {
  Sums sums[2];
  const ColumnMasks masks(product.columns);
  const std::int64_t partial_bytes = product.partial_stride * std::int64_t{sizeof(float)};
  Fetcher fetcher(product, end - begin);
  Writer writer(product);
  for (std::int64_t block = begin; block < end; ++block) {
    const std::int64_t row = block * kTileRows;
    const std::int64_t rows = product.rows - row < kTileRows ? product.rows - row : kTileRows;
    Sums& own = sums[block % 2];
    // Partial sums of whole registers lie where they can be loaded from and stored to as they are.
    const bool whole =
        rows == kRowTiles * kRegisterRows && product.columns == kColumnTiles * kLanes;
    float* const partial =
        product.partial == nullptr ? nullptr : product.partial + row * product.partial_stride;
    Bfloat16* const out = product.out == nullptr ? nullptr : product.out + row * product.out_stride;
    if (!product.continues) {
      ZeroSums<kRowTiles, kColumnTiles>();
    } else if (whole) {
      LoadSums<kRowTiles, kColumnTiles>(partial, partial_bytes);
    } else {
      CopyPartial(partial, product.partial_stride, rows, masks, own);
      LoadSums<kRowTiles, kColumnTiles>(own.row[0], kSumBytes);
    }
    Owner owner(out, product.out_stride, rows);
    for (std::int64_t s = 0; s < product.segment_count; ++s) {
      const TileSegment& segment = product.segments[s];
      const std::uint32_t* const packed = segment.rows + block * segment.block_stride;
      for (std::int64_t unit = 0; unit < segment.units; unit += kStep) {
        AddStep<kRowTiles, kColumnTiles, true>(packed + unit * kTileRows,
                                               segment.columns + unit * kTileColumns);
        fetcher.Step();
        owner.Step();
        writer.Step();
      }
    }
    writer.Finish();
    if (product.out == nullptr && whole) {
      StoreSums<kRowTiles, kColumnTiles>(partial, partial_bytes);
      continue;
    }
    StoreSums<kRowTiles, kColumnTiles>(own.row[0], kSumBytes);
    if (product.out == nullptr) {
      WritePartial(own, rows, masks, partial, product.partial_stride);
    } else {
      writer.Begin(own, rows, out, product.out_stride);
    }
  }
  writer.Finish();
}

/// Calls the instances of as many registers as the product needs.
template <int kColumnTiles>
void MultiplyColumns(const TileProduct<Bfloat16>& product) {
  const std::int64_t blocks = (product.rows + kTileRows - 1) / kTileRows;
  const bool short_end = product.rows - (blocks - 1) * kTileRows <= kRegisterRows;
  const std::int64_t long_blocks = short_end ? blocks - 1 : blocks;
  if (long_blocks > 0) Multiply<2, kColumnTiles>(product, 0, long_blocks);
  if (short_end) Multiply<1, kColumnTiles>(product, blocks - 1, blocks);
}
void MultiplyNear(const TileProduct<Bfloat16>& product) {
  product.columns <= kLanes ? MultiplyColumns<1>(product) : MultiplyColumns<2>(product);
}

/// A panel that is too long to stay near is multiplied part by part; sums wait in between.
void MultiplyGroup(const TileProduct<Bfloat16>& product) {
  TileSegment main = product.segments[0];
  const std::int64_t parts = (main.units + kNearUnits - 1) / kNearUnits;
  if (parts <= 1) return MultiplyNear(product);
  const std::int64_t units = (main.units / kStep + parts - 1) / parts * kStep;
  Sums sums[kGroup];
  TileProduct<Bfloat16> part = product;
  part.segments = &main;
  part.segment_count = 1;
  part.bias = nullptr;
  part.out = nullptr;
  if (part.partial == nullptr) {
    part.partial = sums[0].row[0];
    part.partial_stride = kTileColumns;
  }
  std::int64_t left = main.units;
  for (; left > units; left -= units) {
    main.units = units;
    MultiplyNear(part);
    main.rows += units * kTileRows;
    main.columns += units * kTileColumns;
    part.continues = true;
    part.fetch = {};
  }
  TileSegment segments[kMostSegments];
  segments[0] = main;
  segments[0].units = left;
  for (std::int64_t i = 1; i < product.segment_count; ++i) segments[i] = product.segments[i];
  part.segments = segments;
  part.segment_count = product.segment_count;
  part.bias = product.bias;
  part.out = product.out;
  MultiplyNear(part);
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
    AddStep<kRowTiles, 2, false>(product.rows + begin * kTileRows, step[0]);
    Barrier();
  }
  StoreSums<kRowTiles, 2>(product.tile, kSumBytes);
}

void OuterTile(const OuterProduct<Bfloat16>& product) {
  return product.row_count <= kRegisterRows ? Outer<1>(product) : Outer<2>(product);
}

}  // namespace

const TileKernels<Bfloat16> kMatrixUnitTiles = {
    {.rows = kTileRows, .step = kStep, .group = kGroup, .depth = 768, .together = 150 << 10},
    &Enter,
    &Leave,
    &PackTileRows,
    &PackTileRowsAcross,
    &PackColumns<Bfloat16, kStep>,
    &PackColumnsAcross<Bfloat16, kStep>,
    &MultiplyGroup,
    &OuterTile};

}  // namespace lathe::trainer::kernels
