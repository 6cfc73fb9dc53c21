#pragma once
// What attention is made of on a CPU: operands packed for the tile kernels, products of tiles, row
// kernels by the tiles' types. Private to this room.

#include <algorithm>
#include <span>
#include <type_traits>

#include "worker/trainer/kernels/cpu/row_kernels.h"
#include "worker/trainer/kernels/tile_choice.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

/// bf16 as the row kernels spell it.
template <class T>
using RowType = std::conditional_t<std::is_same_v<T, float>, float, std::uint16_t>;
template <class T>
RowType<T>* AsRow(T* row) {
  return reinterpret_cast<RowType<T>*>(row);
}
template <class T>
const RowKernels<RowType<T>>& Rows() {
  if constexpr (std::is_same_v<T, float>) {
    return Float32Kernels();
  } else {
    return Bfloat16Kernels();
  }
}

/// Lines of a matrix that lie `stride` elements apart.
template <class T>
struct Matrix {
  T* data = nullptr;
  std::int64_t stride = 0;

  T* Line(std::int64_t line) const { return data + line * stride; }
};

/// Packed columns of a right operand: panel after panel.
struct Columns {
  const std::uint32_t* data = nullptr;
  std::int64_t units = 0;  ///< of the whole depth

  const std::uint32_t* Panel(std::int64_t panel, std::int64_t unit = 0) const {
    return data + (panel * units + unit) * kTileColumns;
  }
};

/// The same while they are being packed.
struct WritableColumns {
  std::uint32_t* data = nullptr;
  std::int64_t units = 0;

  operator Columns() const { return {data, units}; }
  std::uint32_t* Panel(std::int64_t panel, std::int64_t unit = 0) const {
    return data + (panel * units + unit) * kTileColumns;
  }
};

/// Memory of one thread, used piece by piece.
class Space {
 public:
  explicit Space(std::uint32_t* data) : data_(data) {}
  std::uint32_t* Take(std::int64_t units) {
    std::uint32_t* const taken = data_;
    data_ += units;
    return taken;
  }

 private:
  std::uint32_t* data_;
};

/// Units of `columns` packed columns of some depth.
template <class T>
std::int64_t ColumnUnits(std::int64_t columns, std::int64_t depth) {
  return CeilDivide(columns, kTileColumns) * kTileColumns * UnitsOf<T>(depth);
}

/// [count, depth] lines as columns.
template <class T>
Columns PackColumns(const Matrix<T>& lines, std::int64_t count, std::int64_t depth, Space& space) {
  const WritableColumns packed{space.Take(ColumnUnits<T>(count, depth)), UnitsOf<T>(depth)};
  for (std::int64_t begin = 0; begin < count; begin += kTileColumns) {
    Tiles<T>().pack_columns(
        {lines.Line(begin), lines.stride, std::min(kTileColumns, count - begin)}, depth,
        packed.Panel(begin / kTileColumns));
  }
  return packed;
}
/// [depth, count] lines along the depth.
template <class T>
Columns PackColumnsAcross(const Matrix<T>& lines, std::int64_t count, std::int64_t depth,
                          Space& space) {
  const WritableColumns packed{space.Take(ColumnUnits<T>(count, depth)), UnitsOf<T>(depth)};
  for (std::int64_t begin = 0; begin < count; begin += kTileColumns) {
    Tiles<T>().pack_columns_across({lines.data + begin, lines.stride, depth},
                                   std::min(kTileColumns, count - begin),
                                   packed.Panel(begin / kTileColumns));
  }
  return packed;
}

template <class T>
void MultiplySegments(std::span<const TileSegment> segments, const Matrix<T>& out,
                      std::int64_t rows, std::int64_t columns) {
  TileProduct<T> product;
  product.segments = segments.data();
  product.segment_count = static_cast<std::int64_t>(segments.size());
  product.rows = rows;
  product.columns = columns;
  product.out = out.data;
  product.out_stride = out.stride;
  Tiles<T>().multiply(product);
}

#endif

}  // namespace lathe::trainer::kernels
