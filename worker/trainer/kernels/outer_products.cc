#include "worker/trainer/kernels/outer_products.h"

#include <algorithm>
#include <array>
#include <vector>

#include "common/base/check.h"
#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/tasks.h"
#include "worker/trainer/kernels/tile_choice.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

namespace {

/// A term whose gradient has few rows. They are packed in parts of as many as a tile has, at most;
/// the right operand is not.
template <class T>
class Outer {
 public:
  explicit Outer(const OuterTerm& term)
      : rows_(term.left.size(1)),
        parts_(CeilDivide(rows_, TileRows<T>())),
        rows_a_part_(CeilDivide(rows_, parts_)),
        stride_(RowSpace<T>(term.left.size(0))),
        packed_(EmptyUnits(parts_ * stride_)),
        right_{Data<T>(term.right), term.right.stride(0), term.right.size(0)},
        columns_(term.right.size(1)),
        scale_(static_cast<float>(term.scale)),
        gradient_(Data<float>(term.gradient)),
        row_stride_(term.gradient.stride(0)),
        column_stride_(term.gradient.stride(1)) {
    const at::Tensor& left = term.left;
    for (std::int64_t part = 0; part < parts_; ++part) {
      const std::int64_t row = part * rows_a_part_;
      Tiles<T>().pack_rows_across({Data<T>(left) + row, left.stride(0), left.size(0)},
                                  std::min(rows_a_part_, rows_ - row),
                                  Data<std::uint32_t>(packed_) + part * stride_);
    }
  }

  std::int64_t panels() const { return CeilDivide(columns_, kTileColumns); }
  std::int64_t work() const { return right_.count * rows_ * columns_; }

  void AddPanel(std::int64_t panel) const {
    const std::int64_t column = panel * kTileColumns;
    const std::int64_t columns = std::min(kTileColumns, columns_ - column);
    for (std::int64_t part = 0; part < parts_; ++part) {
      const std::int64_t row = part * rows_a_part_;
      const std::int64_t count = std::min(rows_a_part_, rows_ - row);
      alignas(64) std::array<float, kMostTileRows * kTileColumns> tile;
      Tiles<T>().outer({Data<std::uint32_t>(packed_) + part * stride_,
                        {right_.data + column, right_.stride, right_.count},
                        count,
                        columns,
                        tile.data()});
      for (std::int64_t r = 0; r < count; ++r) {
        float* const to = gradient_ + (row + r) * row_stride_ + column * column_stride_;
        const float* const sums = tile.data() + r * kTileColumns;
        if (column_stride_ == 1) {
          for (std::int64_t c = 0; c < columns; ++c) to[c] += scale_ * sums[c];
        } else {
          for (std::int64_t c = 0; c < columns; ++c) to[c * column_stride_] += scale_ * sums[c];
        }
      }
    }
  }

 private:
  std::int64_t rows_;
  std::int64_t parts_;
  std::int64_t rows_a_part_;
  std::int64_t stride_;
  at::Tensor packed_;
  Lines<T> right_;
  std::int64_t columns_;
  float scale_;
  float* gradient_;
  std::int64_t row_stride_;
  std::int64_t column_stride_;
};

/// The same with the gradient's rows for its columns.
OuterTerm Mirrored(const OuterTerm& term) {
  return {term.right, term.left, term.scale, term.gradient.t()};
}

/// Whether both operands are worth packing.
bool IsWide(const OuterTerm& term) {
  constexpr std::int64_t kNarrow = 32;
  return term.scale == 1 && std::min(term.left.size(1), term.right.size(1)) > kNarrow;
}

/// A term whose gradient has many rows and columns: a product like others. Rows are packed some at
/// a time, so that they stay in a cache while columns go by.
void AddWide(const OuterTerm& term) {
  constexpr std::int64_t kRows = 4096;
  const auto [left, right, scale, gradient] = term.gradient.stride(1) == 1 ? term : Mirrored(term);
  const std::int64_t parts = CeilDivide(left.size(1), kRows);
  for (std::int64_t part = 0; part < parts; ++part) {
    const std::int64_t begin = left.size(1) * part / parts;
    const std::int64_t count = left.size(1) * (part + 1) / parts - begin;
    PackedRows rows(left.narrow(1, begin, count).t());
    AddMultiplied(gradient.narrow(0, begin, count), rows, right.t());
  }
}

template <class T>
void AddNarrow(std::span<const OuterTerm> terms) {
  std::vector<Outer<T>> outers;
  std::int64_t panels = 0;
  std::int64_t work = 0;
  for (const OuterTerm& term : terms) {
    if (IsWide(term)) continue;
    outers.emplace_back(term.left.size(1) <= term.right.size(1) ? term : Mirrored(term));
    panels += outers.back().panels();
    work += outers.back().work();
  }
  ForTasks<TileScope<T>>(panels, work, [&](std::int64_t task, std::int64_t) {
    std::size_t term = 0;
    while (task >= outers[term].panels()) task -= outers[term++].panels();
    outers[term].AddPanel(task);
  });
}

}  // namespace

bool HasOuterProduct(const OuterTerm& term) {
  const auto lies = [&](const at::Tensor& x) {
    return x.scalar_type() == term.left.scalar_type() && (x.stride(1) == 1 || x.size(1) == 1);
  };
  return HasTiles(term.left) && lies(term.left) && lies(term.right);
}

void AddOuterProducts(std::span<const OuterTerm> terms) {
  if (terms.empty()) return;
  DispatchTiles(terms.front().left, [&](auto tag) { AddNarrow<decltype(tag)>(terms); });
  for (const OuterTerm& term : terms) {
    if (IsWide(term)) AddWide(term);
  }
}

#else

bool HasOuterProduct(const OuterTerm&) {
  return false;
}
void AddOuterProducts(std::span<const OuterTerm>) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}

#endif

}  // namespace lathe::trainer::kernels
