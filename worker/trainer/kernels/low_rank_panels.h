#pragma once
// The low-rank products of a Gemm, in the order in which tiles read them. Private to this room;
// sources that include this are named in lathe_parallel().

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/check.h"
#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/packing.h"

namespace lathe::trainer::kernels {

#if defined(__x86_64__)

/// A product, and the low-rank products that are added to it.
struct Segments {
  std::array<TileSegment, kMostSegments> items;
  std::size_t count = 0;

  void Add(const TileSegment& segment) { items[count++] = segment; }
};

template <class T>
class LowRankPanels {
 public:
  /// Packs the left operands. products outlive this.
  explicit LowRankPanels(std::span<const LowRankProduct> products) : products_(products) {
    LATHE_CHECK(products.size() < kMostSegments, "too many low-rank products");
    for (const LowRankProduct& product : products) {
      lefts_.push_back(PackLeft<T>(product.left, product.scale));
      units_ += Units(product);
    }
  }

  /// Units of depth of all products together: no panel needs more space.
  std::int64_t units() const { return units_; }

  /// The right operands of those that reach a panel.
  void Pack(const Panel& panel, std::uint32_t* to) const {
    for (const LowRankProduct& product : products_) {
      if (!Reaches(product, panel)) continue;
      PackPanel<T>(product.right, {panel.begin - product.begin, panel.columns},
                   {0, product.right.size(1)}, to);
      to += Units(product) * kTileColumns;
    }
  }

  /// Adds the products of a panel, packed at `columns`, with the rows from some block on.
  void AddTo(Segments& segments, const Panel& panel, std::int64_t block,
             const std::uint32_t* columns) const {
    for (std::size_t i = 0; i < products_.size(); ++i) {
      const LowRankProduct& product = products_[i];
      if (!Reaches(product, panel)) continue;
      const RowBlocks left = BlocksOf<T>(lefts_[i], product.left.size(1));
      TileSegment segment{left.data + block * left.stride, columns, Units(product)};
      segment.block_stride = left.stride;
      segments.Add(segment);
      columns += segment.units * kTileColumns;
    }
  }

 private:
  static std::int64_t Units(const LowRankProduct& product) {
    return UnitsOf<T>(product.left.size(1));
  }
  static bool Reaches(const LowRankProduct& product, const Panel& panel) {
    return product.begin <= panel.begin && panel.begin < product.begin + product.right.size(0);
  }

  std::span<const LowRankProduct> products_;
  std::vector<at::Tensor> lefts_;
  std::int64_t units_ = 0;
};

#endif

}  // namespace lathe::trainer::kernels
