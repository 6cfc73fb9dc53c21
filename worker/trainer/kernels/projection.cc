// Rows packed for products, and low-rank projections of them on the way.

#include <ATen/ops/empty.h>

#include <algorithm>
#include <vector>

#include "common/base/check.h"
#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/packing.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

namespace {

/// Rows are packed as a whole when they are no longer than this.
constexpr std::int64_t kRowUnits = 3072;

/// A projection's weight, packed, and where its results go.
template <class T>
class PackedProjection {
 public:
  PackedProjection(const Projection& projection, std::int64_t out_column)
      : rows_(projection.weight.size(0)),
        units_(UnitsOf<T>(projection.weight.size(1))),
        first_unit_(UnitAt<T>(projection.first_column)),
        out_column_(out_column),
        columns_(EmptyUnits(CeilDivide(rows_, kTileColumns) * units_ * kTileColumns)) {
    for (std::int64_t begin = 0; begin < rows_; begin += kTileColumns) {
      PackPanel<T>(projection.weight, {begin, std::min(kTileColumns, rows_ - begin)},
                   {0, projection.weight.size(1)}, At(begin));
    }
  }

  /// packed: all columns of a block of rows, the first of which is `row` of out.
  void Multiply(const std::uint32_t* packed, std::int64_t row, const at::Tensor& out) const {
    for (std::int64_t begin = 0; begin < rows_; begin += kTileColumns) {
      const TileSegment segment{packed + first_unit_ * TileRows<T>(), At(begin), units_};
      TileProduct<T> product;
      product.segments = &segment;
      product.segment_count = 1;
      product.rows = std::min(TileRows<T>(), out.size(0) - row);
      product.columns = std::min(kTileColumns, rows_ - begin);
      product.out = Data<T>(out) + row * out.stride(0) + out_column_ + begin;
      product.out_stride = out.stride(0);
      Tiles<T>().multiply(product);
    }
  }

 private:
  std::uint32_t* At(std::int64_t begin) const {
    return Data<std::uint32_t>(columns_) + begin * units_;
  }

  std::int64_t rows_;
  std::int64_t units_;
  std::int64_t first_unit_;
  std::int64_t out_column_;
  at::Tensor columns_;
};

}  // namespace

RowBlocks PackedRows::Get(std::int64_t begin, std::int64_t count) {
  RowBlocks result;
  DispatchTiles(x_, [&](auto tag) {
    using T = decltype(tag);
    // All columns, when that is not much, serve every later product.
    const bool all =
        x_.size(1) <= kRowUnits * kElementsPerUnit<T> && begin % ElementsPerStep<T>() == 0;
    const std::int64_t first = all ? 0 : begin;
    const std::int64_t columns = all ? x_.size(1) : count;
    if (!packed_.defined() || first != begin_ || columns != count_) {
      packed_ = PackLeft<T>(x_.narrow(1, first, columns), 1);
      begin_ = first;
      count_ = columns;
    }
    result = BlocksOf<T>(packed_, columns);
    result.data += UnitAt<T>(begin - first) * TileRows<T>();
  });
  return result;
}

at::Tensor Project(PackedRows& x, std::span<const Projection> projections) {
  std::int64_t width = 0;
  for (const Projection& projection : projections) width += projection.weight.size(0);
  at::Tensor out = at::empty({x.x().size(0), width}, x.x().options());
  const bool done = x.PackWith(projections, out);
  std::int64_t column = 0;
  for (const Projection& projection : projections) {
    const std::int64_t count = projection.weight.size(0);
    const at::Tensor part = out.narrow(1, column, count);
    if (!done) {
      MultiplyInto(part, x, projection.weight, {.first_column = projection.first_column});
    }
    if (projection.scale != 1) part.mul_(projection.scale);
    column += count;
  }
  return out;
}

bool PackedRows::PackWith(std::span<const Projection> projections, const at::Tensor& out) {
  bool done = false;
  DispatchTiles(x_, [&](auto tag) {
    using T = decltype(tag);
    if (packed_.defined() || x_.size(1) > kRowUnits * kElementsPerUnit<T>) return;
    std::vector<PackedProjection<T>> packed;
    std::int64_t column = 0;
    for (const Projection& projection : projections) {
      if (projection.first_column % ElementsPerStep<T>() != 0) return;
      packed.emplace_back(projection, column);
      column += projection.weight.size(0);
    }
    packed_ = PackLeft<T, TileScope<T>>(x_, 1, [&](std::int64_t block, const std::uint32_t* rows) {
      for (const PackedProjection<T>& projection : packed) {
        projection.Multiply(rows, block * TileRows<T>(), out);
      }
    });
    begin_ = 0;
    count_ = x_.size(1);
    done = true;
  });
  return done;
}

#else

RowBlocks PackedRows::Get(std::int64_t, std::int64_t) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}
at::Tensor Project(PackedRows&, std::span<const Projection>) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}

#endif

}  // namespace lathe::trainer::kernels
