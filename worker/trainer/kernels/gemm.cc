#include "worker/trainer/kernels/gemm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "common/base/check.h"
#include "worker/trainer/kernels/packing.h"
#include "worker/trainer/kernels/panel_shares.h"

namespace lathe::trainer::kernels {
namespace {

#if defined(__x86_64__)

/// Columns of a packed panel stay in a core's second-level cache while all rows go by.
constexpr std::int64_t kDepthUnits = 1536;
/// Of packed panels that are multiplied with a block of rows one after another.
constexpr std::int64_t kTogetherUnits = 75 << 10;
constexpr std::int64_t kMostTogether = 8;

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
  /// A part of the depth. Panels are taken in runs that lie in a core's second-level cache
  /// together: a block of rows, which comes from further away, is read once for all of them.
  struct Part {
    RowBlocks rows;
    Depth depth;
    bool last = false;
    std::int64_t units = 0;        ///< of the depth
    std::int64_t panel_units = 0;  ///< of a panel with its low-rank products
    std::int64_t together = 1;     ///< panels of a run
    TileProduct<T> tile;
  };

  void RunPart(const RowBlocks& rows, const Depth& depth, bool last) {
    Part part{rows, depth, last, UnitsOf<T>(depth.count), 0, 1, TileOf(depth.begin > 0, last)};
    part.panel_units = (part.units + low_rank_units_) * kTileColumns;
    part.together = std::clamp<std::int64_t>(kTogetherUnits / part.panel_units, 1, kMostTogether);
    const std::int64_t threads = ThreadsFor(out_.numel() * depth.count);
    const std::int64_t own_units = part.together * part.panel_units;
    const at::Tensor space = EmptyUnits(own_units * threads);
    auto* const spaces = Data<std::uint32_t>(space);
    const auto panels = static_cast<std::int64_t>(panels_.size());
    PanelShares shares(CeilDivide(panels, part.together), blocks_, threads);
    at::parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
      const TileScope<T> scope;
      for (std::int64_t worker = begin; worker < end; ++worker) {
        shares.Run(
            worker, [&](std::int64_t run) { PackRun(part, run, spaces + worker * own_units); },
            [&](std::int64_t block, const PanelShares::Place& place) {
              MultiplyRun(part, block, place, spaces + place.owner * own_units);
            });
      }
    });
  }

  std::int64_t First(const Part& part, std::int64_t run) const { return run * part.together; }
  std::int64_t End(const Part& part, std::int64_t run) const {
    return std::min(static_cast<std::int64_t>(panels_.size()), (run + 1) * part.together);
  }

  void PackRun(const Part& part, std::int64_t run, std::uint32_t* to) const {
    for (std::int64_t panel = First(part, run); panel < End(part, run); ++panel) {
      if (!LiesReady<T>(weight_, At(panel), part.depth.count)) {
        PackPanel<T>(weight_, At(panel), part.depth, to);
      }
      if (part.last) PackLowRank(At(panel), to + part.units * kTileColumns);
      to += part.panel_units;
    }
  }

  void MultiplyRun(const Part& part, std::int64_t block, const PanelShares::Place& place,
                   const std::uint32_t* columns) const {
    const std::int64_t first = First(part, place.panel);
    for (std::int64_t panel = first; panel < End(part, place.panel); ++panel) {
      TileSegment main{part.rows.data + block * part.rows.stride, columns, part.units};
      if (LiesReady<T>(weight_, At(panel), part.depth.count)) {
        main.column_stride = weight_.stride(1);
        main.columns =
            Data<std::uint32_t>(weight_) + part.depth.begin * main.column_stride + At(panel).begin;
      }
      TileProduct<T> tile = part.tile;
      tile.fetch = FetchBeside(part, block, place.next, panel - first);
      MultiplyBlock(main, columns + part.units * kTileColumns, At(panel), block, tile);
      columns += part.panel_units;
    }
  }

  /// What of the next run is fetched beside the product of a block with some panel of this one.
  /// The last blocks are the time for it: what comes sooner is driven from the cache by the rows
  /// that pass.
  TileFetch FetchBeside(const Part& part, std::int64_t block, std::int64_t run,
                        std::int64_t place) const {
    const std::int64_t from = std::max<std::int64_t>(0, blocks_ - kFetchBlocks);
    if (run < 0 || block < from || First(part, run) + place >= End(part, run)) return {};
    return FetchOf<T>(weight_, At(First(part, run) + place), part.depth, block - from,
                      blocks_ - from);
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

  /// tile: see TileOf; columns: the low-rank products' packed ones.
  void MultiplyBlock(const TileSegment& main, const std::uint32_t* columns, const Panel& panel,
                     std::int64_t block, TileProduct<T> tile) const {
    std::array<TileSegment, kSegments> segments;
    segments[0] = main;
    std::size_t count = 1;
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

void MultiplyInto(const at::Tensor& out, PackedRows& x, const at::Tensor& weight,
                  const GemmOptions& options) {
  DispatchTiles(out, [&](auto tag) { Gemm<decltype(tag)>(out, weight, options).Run(x); });
}

#else

bool HasGemm(const at::Tensor&) {
  return false;
}
void MultiplyInto(const at::Tensor&, PackedRows&, const at::Tensor&, const GemmOptions&) {
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
