#pragma once
// The inner loops of a matrix product on processors with AVX-512, one tile at a time, and the
// packing of operands into the order in which they are read. Whoever calls them divides the work
// (gemm.cc).
//
// A *unit* is what one lane reads of an operand: an fp32 value, or two bf16 values that are
// neighbours along the depth (the second one zero where the depth is odd). Kernels go along the
// depth in steps of some units; packed operands have whole steps, what is beyond the depth is zero.
//   packed rows:    [steps][shape.rows][shape.step], of the left operand
//   packed columns: [units][kTileColumns], of the right operand
// A packed operand can be read from any step on: rows from unit * shape.rows.
// Sums are fp32, taken in the order of the depth: a row's result does not depend on other rows.

#include <cstdint>

namespace lathe::trainer::kernels {

/// Of every kernel's tile: two vectors of 16 sums.
inline constexpr std::int64_t kTileColumns = 32;
/// Of a product: itself, and low-rank products that are added to it.
inline constexpr std::size_t kMostSegments = 8;
/// No kernel's tile has more.
inline constexpr std::int64_t kMostTileRows = 32;
/// Packing rows writes this many units beyond the end.
inline constexpr std::int64_t kPackSlack = 16;

struct TileShape {
  std::int64_t rows = 0;
  std::int64_t step = 1;      ///< units of the depth that are taken together
  std::int64_t values = 1;    ///< of a line, in these units
  bool reads_lines = false;   ///< of columns that lie as they are, see TileSegment
  bool keeps_panels = false;  ///< it is worth the memory, see kept_panels.h
  std::int64_t group = 1;     ///< blocks of rows that can be multiplied with a panel at once
  /// What stays in a core's second-level cache while rows go by: values of the depth of a panel,
  /// and units in all of panels that are multiplied with a group of blocks one after another.
  std::int64_t depth = 0;
  std::int64_t together = 0;
};

/// A bf16 value's bits.
struct Bfloat16 {
  std::uint16_t bits = 0;
};
template <class T>
inline constexpr std::int64_t kElementsPerUnit = sizeof(std::uint32_t) / sizeof(T);

/// Lines of an operand: `count` of them, `stride` elements apart.
template <class T>
struct Lines {
  const T* data = nullptr;
  std::int64_t stride = 0;
  std::int64_t count = 0;
};

struct TileSegment {
  const std::uint32_t* rows = nullptr;     ///< packed
  const std::uint32_t* columns = nullptr;  ///< packed; of fp32 also as they lie
  std::int64_t units = 0;                  ///< whole steps
  /// Units from one unit of the depth to the next, of columns that lie as they are: then there are
  /// kTileColumns of them.
  std::int64_t column_stride = kTileColumns;
  std::int64_t block_stride = 0;  ///< units from one block of rows to the next
};

/// What will be needed next, to be brought into the second-level cache meanwhile: `count` pieces of
/// two cache lines, `stride` bytes apart.
struct TileFetch {
  const char* from = nullptr;
  std::int64_t stride = 0;
  std::int64_t count = 0;
};

/// out = partial (if there is one to begin with) + the sum of the segments' products + bias. Rows
/// are those of up to shape.group blocks.
template <class T>
struct TileProduct {
  const TileSegment* segments = nullptr;
  std::int64_t segment_count = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  const float* bias = nullptr;  ///< [columns], or nullptr
  float* partial = nullptr;     ///< fp32 sums to continue, or to leave unfinished
  std::int64_t partial_stride = 0;
  bool continues = false;
  T* out = nullptr;  ///< nullptr: sums go to `partial`
  std::int64_t out_stride = 0;
  TileFetch fetch = {};
};

/// tile [shape.rows][kTileColumns] = packed rows times columns that lie as they are in `right`: its
/// lines run along the depth, each has `columns` values.
template <class T>
struct OuterProduct {
  const std::uint32_t* rows = nullptr;
  Lines<T> right;
  std::int64_t row_count = 0;
  std::int64_t columns = 0;
  float* tile = nullptr;
};

template <class T>
struct TileKernels {
  TileShape shape;
  /// Called by a thread before it multiplies, and when it has done so; nullptr: not needed.
  void (*enter)() = nullptr;
  void (*leave)() = nullptr;
  /// Lines of the left operand, `depth` values each, times `scale`.
  void (*pack_rows)(const Lines<T>& lines, std::int64_t depth, float scale, std::uint32_t* to);
  /// The left operand given by lines along the depth, each with `rows` values.
  void (*pack_rows_across)(const Lines<T>& lines, std::int64_t rows, std::uint32_t* to);
  /// Lines of the right operand, `depth` values each; missing columns become zero.
  void (*pack_columns)(const Lines<T>& lines, std::int64_t depth, std::uint32_t* to);
  /// The right operand given by lines along the depth, each with `columns` values.
  void (*pack_columns_across)(const Lines<T>& lines, std::int64_t columns, std::uint32_t* to);
  void (*multiply)(const TileProduct<T>& product);
  void (*outer)(const OuterProduct<T>& product);
};

#if defined(__x86_64__)
/// For processors with AVX-512 (x86-64-v4).
extern const TileKernels<float> kFloat32Tiles;
/// For those that have its bf16 dot products, too.
extern const TileKernels<Bfloat16> kBfloat16Tiles;
/// For those that have AMX's matrix units, besides.
extern const TileKernels<Bfloat16> kMatrixUnitTiles;
extern const TileKernels<float> kMatrixUnitFloat32Tiles;
#endif

}  // namespace lathe::trainer::kernels
