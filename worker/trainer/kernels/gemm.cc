#include "worker/trainer/kernels/gemm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "common/base/check.h"
#include "worker/trainer/kernels/panel_shares.h"
#include "worker/trainer/kernels/panels.h"
#include "worker/trainer/kernels/tasks.h"
#include "worker/trainer/kernels/tile_choice.h"

namespace lathe::trainer::kernels {
namespace {

#if defined(__x86_64__)

/// Columns of a packed panel stay in a core's second-level cache while all rows go by.
constexpr std::int64_t kDepthUnits = 1536;
/// Rows are packed as a whole when they are no longer than this.
constexpr std::int64_t kRowUnits = 3072;

/// Work to pack an element, as ForTasks counts it.
constexpr std::int64_t kPackWork = 16;

/// Calls then(block, packed rows) for every block, by the thread that has packed it.
template <class T, class Scope = NoScope, class Then>
at::Tensor PackLeft(const at::Tensor& x, double scale, const Then& then) {
  const std::int64_t rows = x.size(0);
  const std::int64_t tile_rows = TileRows<T>();
  const std::int64_t space = RowSpace<T>(x.size(1));
  const std::int64_t blocks = CeilDivide(rows, tile_rows);
  // What packing writes beyond a block's end must not reach the next one, which another thread
  // may have packed already.
  at::Tensor packed = EmptyUnits(blocks * space);
  auto* to = Data<std::uint32_t>(packed);
  const T* const from = Data<T>(x);
  const bool across = x.stride(1) != 1;
  LATHE_CHECK(!across || (x.stride(0) == 1 && scale == 1), "columns lie as they are");
  ForTasks<Scope>(blocks, x.numel() * kPackWork, [&](std::int64_t block, std::int64_t) {
    const std::int64_t row = block * tile_rows;
    const std::int64_t count = std::min(tile_rows, rows - row);
    std::uint32_t* block_to = to + block * space;
    if (across) {
      Tiles<T>().pack_rows_across({from + row, x.stride(1), x.size(1)}, count, block_to);
    } else {
      Tiles<T>().pack_rows({from + row * x.stride(0), x.stride(0), count}, x.size(1),
                           static_cast<float>(scale), block_to);
    }
    then(block, block_to);
  });
  return packed;
}
template <class T>
at::Tensor PackLeft(const at::Tensor& x, double scale) {
  return PackLeft<T>(x, scale, [](std::int64_t, const std::uint32_t*) {});
}
template <class T>
RowBlocks BlocksOf(const at::Tensor& packed, std::int64_t depth) {
  return {Data<std::uint32_t>(packed), RowSpace<T>(depth)};
}

/// Some of the depth of a right operand [columns, depth].
struct Depth {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

template <class T>
void PackPanel(const at::Tensor& right, const Panel& panel, const Depth& depth, std::uint32_t* to) {
  const T* data = Data<T>(right) + panel.begin * right.stride(0) + depth.begin * right.stride(1);
  if (right.stride(1) == 1) {
    Tiles<T>().pack_columns({data, right.stride(0), panel.columns}, depth.count, to);
  } else {
    Tiles<T>().pack_columns_across({data, right.stride(1), depth.count}, panel.columns, to);
  }
}

/// What of a weight's panel is to be fetched beside one of several blocks.
template <class T>
TileFetch FetchOf(const at::Tensor& right, const Panel& panel, const Depth& depth,
                  std::int64_t block, std::int64_t blocks) {
  constexpr auto kSize = static_cast<std::int64_t>(sizeof(T));
  constexpr std::int64_t kPiece = 128;
  const T* data = Data<T>(right) + panel.begin * right.stride(0) + depth.begin * right.stride(1);
  const bool across = right.stride(1) != 1;
  const std::int64_t lines = across ? depth.count : panel.columns;
  const std::int64_t line = lines * block / blocks;
  const std::int64_t count = lines * (block + 1) / blocks - line;
  const char* const from =
      reinterpret_cast<const char*>(data + line * right.stride(across ? 1 : 0));
  if (across) return {from, right.stride(1) * kSize, count};
  // Whole lines follow each other; of parts of lines one a block, so that with few blocks the last
  // ones stay where they are.
  const std::int64_t together =
      right.stride(0) == depth.count ? count : std::min<std::int64_t>(count, 1);
  return {from, kPiece, CeilDivide(together * depth.count * kSize, kPiece)};
}

/// A low-rank product of a Gemm, its left operand packed.
struct PackedLowRank {
  RowBlocks left;
  std::int64_t units = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;

  bool Reaches(const Panel& panel) const { return begin <= panel.begin && panel.begin < end; }
};

/// One product, or one part of its depth.
template <class T>
class Gemm {
 public:
  Gemm(const at::Tensor& out, const at::Tensor& weight, const GemmOptions& options)
      : out_(out),
        weight_(weight),
        options_(options),
        panels_(PanelsOf(weight.size(0), options.low_rank, kTileColumns)),
        blocks_(CeilDivide(out.size(0), TileRows<T>())) {
    if (options.bias.defined()) bias_ = options.bias.to(at::kFloat).contiguous();
    for (const LowRankProduct& product : options.low_rank) {
      const std::int64_t rank = product.left.size(1);
      lefts_.push_back(PackLeft<T>(product.left, product.scale));
      low_rank_.push_back({BlocksOf<T>(lefts_.back(), rank), UnitsOf<T>(rank), product.begin,
                           product.begin + product.right.size(0)});
      low_rank_units_ += UnitsOf<T>(rank);
    }
    LATHE_CHECK(low_rank_.size() < kSegments, "too many low-rank products");
  }

  void Run(PackedRows& x) {
    const std::int64_t depth = weight_.size(1);
    constexpr std::int64_t kMost = kDepthUnits * kElementsPerUnit<T>;
    if (depth > kMost && !std::is_same_v<T, float>) {
      partial_ = at::empty({out_.size(0), out_.size(1)}, at::kFloat);
    }
    for (std::int64_t begin = 0; begin < depth; begin += kMost) {
      const Depth part{begin, std::min(kMost, depth - begin)};
      RunPart(x.Get(options_.first_column + begin, part.count), part, begin + kMost >= depth);
    }
  }

 private:
  void RunPart(const RowBlocks& rows, const Depth& depth, bool last) {
    const std::int64_t units = UnitsOf<T>(depth.count);
    const std::int64_t panel_units = (units + low_rank_units_) * kTileColumns;
    const std::int64_t threads = ThreadsFor(out_.numel() * depth.count);
    const at::Tensor space = EmptyUnits(panel_units * threads);
    auto* const spaces = Data<std::uint32_t>(space);
    const TileProduct<T> tile = TileOf(depth.begin > 0, last);
    // The last blocks of a panel are the time to fetch the next one: what comes sooner is driven
    // from the cache by the rows that pass.
    const std::int64_t fetch_from = std::max<std::int64_t>(0, blocks_ - kFetchBlocks);
    const auto fetch = [&](std::int64_t block, std::int64_t panel) {
      return panel < 0 || block < fetch_from
                 ? TileFetch{}
                 : FetchOf<T>(weight_, At(panel), depth, block - fetch_from, blocks_ - fetch_from);
    };
    PanelShares shares(static_cast<std::int64_t>(panels_.size()), blocks_, threads);
    at::parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
      const TileScope<T> scope;
      for (std::int64_t worker = begin; worker < end; ++worker) {
        shares.Run(
            worker,
            [&](std::int64_t panel) {
              std::uint32_t* const columns = spaces + worker * panel_units;
              PackPanel<T>(weight_, At(panel), depth, columns);
              if (last) PackLowRank(At(panel), columns + units * kTileColumns);
            },
            [&](std::int64_t block, const PanelShares::Place& place) {
              const std::uint32_t* const columns = spaces + place.owner * panel_units;
              TileProduct<T> own = tile;
              own.fetch = fetch(block, place.next);
              MultiplyBlock({rows.data + block * rows.stride, columns, units}, At(place.panel),
                            block, own);
            });
      }
    });
  }

  const Panel& At(std::int64_t panel) const { return panels_[static_cast<std::size_t>(panel)]; }

  void PackLowRank(const Panel& panel, std::uint32_t* to) const {
    for (std::size_t i = 0; i < low_rank_.size(); ++i) {
      if (!low_rank_[i].Reaches(panel)) continue;
      const at::Tensor& right = options_.low_rank[i].right;
      PackPanel<T>(right, {panel.begin - low_rank_[i].begin, panel.columns}, {0, right.size(1)},
                   to);
      to += low_rank_[i].units * kTileColumns;
    }
  }

  /// What the tiles of one part of the depth have in common, at row and column 0.
  TileProduct<T> TileOf(bool continues, bool last) const {
    TileProduct<T> tile;
    const at::Tensor& partial = partial_.defined() ? partial_ : out_;
    if (partial.scalar_type() == at::kFloat) {
      tile.partial = Data<float>(partial);
      tile.partial_stride = partial.stride(0);
    }
    tile.continues = continues;
    if (last) {
      if (bias_.defined()) tile.bias = Data<float>(bias_);
      tile.out = Data<T>(out_);
      tile.out_stride = out_.stride(0);
    }
    tile.rows = out_.size(0);
    return tile;
  }

  /// tile: see TileOf.
  void MultiplyBlock(const TileSegment& main, const Panel& panel, std::int64_t block,
                     TileProduct<T> tile) const {
    std::array<TileSegment, kSegments> segments;
    segments[0] = main;
    std::size_t count = 1;
    const std::uint32_t* columns = main.columns + main.units * kTileColumns;
    for (std::size_t i = 0; tile.out != nullptr && i < low_rank_.size(); ++i) {
      const PackedLowRank& product = low_rank_[i];
      if (!product.Reaches(panel)) continue;
      segments[count++] = {product.left.data + block * product.left.stride, columns, product.units};
      columns += product.units * kTileColumns;
    }
    const std::int64_t row = block * TileRows<T>();
    tile.segments = segments.data();
    tile.segment_count = static_cast<std::int64_t>(count);
    tile.rows = std::min(TileRows<T>(), tile.rows - row);
    tile.columns = panel.columns;
    if (tile.partial != nullptr) tile.partial += row * tile.partial_stride + panel.begin;
    if (tile.bias != nullptr) tile.bias += panel.begin;
    if (tile.out != nullptr) tile.out += row * tile.out_stride + panel.begin;
    Tiles<T>().multiply(tile);
  }

  static constexpr std::size_t kSegments = 8;
  static constexpr std::int64_t kFetchBlocks = kTileColumns;

  const at::Tensor& out_;
  const at::Tensor& weight_;
  const GemmOptions& options_;
  std::vector<Panel> panels_;
  std::int64_t blocks_ = 0;
  std::int64_t low_rank_units_ = 0;
  std::vector<at::Tensor> lefts_;
  std::vector<PackedLowRank> low_rank_;
  at::Tensor bias_;
  at::Tensor partial_;
};

/// A projection's weight, packed, and where its results go.
template <class T>
class PackedProjection {
 public:
  PackedProjection(const Projection& projection, std::int64_t out_column)
      : rows_(projection.weight.size(0)),
        units_(UnitsOf<T>(projection.weight.size(1))),
        first_unit_(projection.first_column / kElementsPerUnit<T>),
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

#endif

}  // namespace

#if defined(__x86_64__)

bool HasGemm(const at::Tensor& x) {
  // Fewer rows leave the packing of the weight dearer than the product.
  constexpr std::int64_t kRows = 28;
  if (!x.is_cpu() || x.size(0) < kRows) return false;
  return x.scalar_type() == at::kFloat
             ? UsedTiles().fp32 != nullptr
             : x.scalar_type() == at::kBFloat16 && UsedTiles().bf16 != nullptr;
}

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
    result.data += (begin - first) / kElementsPerUnit<T> * TileRows<T>();
  });
  return result;
}

at::Tensor Project(PackedRows& x, std::span<const Projection> projections) {
  std::int64_t width = 0;
  for (const Projection& projection : projections) width += projection.weight.size(0);
  at::Tensor out = at::empty({x.x().size(0), width}, x.x().options());
  if (x.PackWith(projections, out)) return out;
  std::int64_t column = 0;
  for (const Projection& projection : projections) {
    const std::int64_t count = projection.weight.size(0);
    MultiplyInto(out.narrow(1, column, count), x, projection.weight,
                 {.first_column = projection.first_column});
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

void MultiplyInto(const at::Tensor& out, PackedRows& x, const at::Tensor& weight,
                  const GemmOptions& options) {
  DispatchTiles(out, [&](auto tag) { Gemm<decltype(tag)>(out, weight, options).Run(x); });
}

#else

bool HasGemm(const at::Tensor&) {
  return false;
}
RowBlocks PackedRows::Get(std::int64_t, std::int64_t) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}
void MultiplyInto(const at::Tensor&, PackedRows&, const at::Tensor&, const GemmOptions&) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}
at::Tensor Project(PackedRows&, std::span<const Projection>) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}

#endif

at::Tensor Multiply(PackedRows& x, const at::Tensor& weight, const GemmOptions& options) {
  at::Tensor out = at::empty({x.x().size(0), weight.size(0)}, x.x().options());
  MultiplyInto(out, x, weight, options);
  return out;
}

at::Tensor BatchedProduct(const at::Tensor& left, const at::Tensor& right) {
  if (!HasGemm(left[0])) return at::bmm(left, right);
  at::Tensor out = at::empty({left.size(0), left.size(1), right.size(2)}, left.options());
  for (std::int64_t i = 0; i < left.size(0); ++i) {
    PackedRows rows(left[i]);
    MultiplyInto(out[i], rows, right[i].t());
  }
  return out;
}

}  // namespace lathe::trainer::kernels
