#include "worker/trainer/kernels/gemm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <type_traits>
#include <utility>

#include "common/base/check.h"
#include "worker/trainer/kernels/low_rank_panels.h"
#include "worker/trainer/kernels/packing.h"
#include "worker/trainer/kernels/panel_shares.h"

namespace lathe::trainer::kernels {
namespace {

#if defined(__x86_64__)

constexpr std::int64_t kMostTogether = 8;

/// What becomes of the values that stand where a product goes.
enum class Target : std::uint8_t { kReplaced, kAddedTo };

/// One product, or one part of its depth.
template <class T>
class Gemm {
 public:
  /// A target that is added to is fp32, and gets the product alone.
  Gemm(const at::Tensor& out, const at::Tensor& weight, const GemmOptions& options, Target target)
      : out_(out),
        weight_(weight),
        options_(options),
        adds_(target == Target::kAddedTo),
        panels_(PanelsOf(weight.size(0), options.low_rank, kTileColumns)),
        groups_(CeilDivide(out.size(0), Group() * TileRows<T>())),
        low_rank_(options.low_rank) {
    if (options.bias.defined()) bias_ = options.bias.to(at::kFloat).contiguous();
  }

  void Run(PackedRows& x) {
    const std::int64_t depth = weight_.size(1);
    const std::int64_t most = Tiles<T>().shape.depth;
    if (depth > most && !adds_ && !std::is_same_v<T, float>) {
      partial_ = at::empty({out_.size(0), out_.size(1)}, at::kFloat);
    }
    for (std::int64_t begin = 0; begin < depth; begin += most) {
      const Depth part{begin, std::min(most, depth - begin)};
      RunPart(x.Get(options_.first_column + begin, part.count), part, begin + most >= depth);
    }
  }

 private:
  /// A part of the depth. Panels are taken in runs that lie in a core's second-level cache
  /// together: a group of blocks, which comes from further away, is read once for all of them.
  struct Part {
    RowBlocks rows;
    Depth depth;
    bool last = false;
    std::int64_t units = 0;        ///< of the depth
    std::int64_t panel_units = 0;  ///< of a panel with its low-rank products
    std::int64_t together = 1;     ///< panels of a run
    KeptPanels::Part* kept = nullptr;
    TileProduct<T> tile;
  };

  void RunPart(const RowBlocks& rows, const Depth& depth, bool last) {
    Part part{.rows = rows,
              .depth = depth,
              .last = last,
              .units = UnitsOf<T>(depth.count),
              .tile = TileOf(depth.begin, last)};
    if (options_.kept != nullptr) {
      part.kept = &options_.kept->Of(depth.begin, std::ssize(panels_), part.units * kTileColumns);
    }
    part.panel_units = (part.units + low_rank_.units()) * kTileColumns;
    part.together =
        std::clamp<std::int64_t>(Tiles<T>().shape.together / part.panel_units, 1, kMostTogether);
    const std::int64_t threads = ThreadsFor(out_.numel() * depth.count);
    const std::int64_t own_units = part.together * part.panel_units;
    const at::Tensor space = EmptyUnits(own_units * threads);
    auto* const spaces = Data<std::uint32_t>(space);
    const auto panels = static_cast<std::int64_t>(panels_.size());
    PanelShares shares(CeilDivide(panels, part.together), groups_, threads);
    at::parallel_for(0, threads, 1, [&](std::int64_t begin, std::int64_t end) {
      const TileScope<T> scope;
      for (std::int64_t worker = begin; worker < end; ++worker) {
        shares.Run(
            worker, [&](std::int64_t run) { PackRun(part, run, spaces + worker * own_units); },
            [&](std::int64_t group, const PanelShares::Place& place) {
              MultiplyRun(part, group, place, spaces + place.owner * own_units);
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
      if (part.kept != nullptr) {
        Keep(part, panel);
      } else if (!LiesReady<T>(weight_, At(panel), part.depth.count)) {
        PackPanel<T>(weight_, At(panel), part.depth, to);
      }
      if (part.last) low_rank_.Pack(At(panel), to + part.units * kTileColumns);
      to += part.panel_units;
    }
  }

  void Keep(const Part& part, std::int64_t panel) const {
    std::uint8_t& packed = part.kept->packed[static_cast<std::size_t>(panel)];
    if (packed != 0) return;
    PackPanel<T>(weight_, At(panel), part.depth, part.kept->At(panel));
    packed = 1;
  }

  void MultiplyRun(const Part& part, std::int64_t group, const PanelShares::Place& place,
                   const std::uint32_t* columns) const {
    const std::int64_t block = group * Group();
    const std::int64_t first = First(part, place.panel);
    for (std::int64_t panel = first; panel < End(part, place.panel); ++panel) {
      TileSegment main{part.rows.data + block * part.rows.stride, columns, part.units};
      main.block_stride = part.rows.stride;
      if (part.kept != nullptr) {
        main.columns = part.kept->At(panel);
      } else if (LiesReady<T>(weight_, At(panel), part.depth.count)) {
        main.column_stride = weight_.stride(1);
        main.columns =
            Data<std::uint32_t>(weight_) + part.depth.begin * main.column_stride + At(panel).begin;
      }
      TileProduct<T> tile = part.tile;
      tile.fetch = FetchBeside(part, group, place.next, panel - first);
      MultiplyGroup(main, columns + part.units * kTileColumns, At(panel), block, tile);
      columns += part.panel_units;
    }
  }

  /// What of the next run is fetched beside the product of a group with some panel of this one. The
  /// last groups are the time for it: what comes sooner is driven from the cache by the rows that
  /// pass.
  TileFetch FetchBeside(const Part& part, std::int64_t group, std::int64_t run,
                        std::int64_t place) const {
    const std::int64_t from = std::max<std::int64_t>(0, groups_ - kFetchBlocks / Group());
    if (run < 0 || group < from || First(part, run) + place >= End(part, run)) return {};
    const std::int64_t panel = First(part, run) + place;
    if (part.kept != nullptr) {
      return FetchOf(part.kept->At(panel), part.kept->panel_units, group - from, groups_ - from);
    }
    return FetchOf<T>(weight_, At(panel), part.depth, group - from, groups_ - from);
  }

  const Panel& At(std::int64_t panel) const { return panels_[static_cast<std::size_t>(panel)]; }

  /// What the tiles of one part of the depth have in common, at row and column 0.
  TileProduct<T> TileOf(std::int64_t begin, bool last) const {
    TileProduct<T> tile;
    const at::Tensor& partial = partial_.defined() ? partial_ : out_;
    if (partial.scalar_type() == at::kFloat) {
      tile.partial = Data<float>(partial);
      tile.partial_stride = partial.stride(0);
    }
    tile.continues = adds_ || begin > 0;
    if (last && !adds_) {
      if (bias_.defined()) tile.bias = Data<float>(bias_);
      tile.out = Data<T>(out_);
      tile.out_stride = out_.stride(0);
    }
    tile.rows = out_.size(0);
    return tile;
  }

  /// tile: see TileOf; columns: the low-rank products' packed ones.
  void MultiplyGroup(const TileSegment& main, const std::uint32_t* columns, const Panel& panel,
                     std::int64_t block, TileProduct<T> tile) const {
    Segments segments;
    segments.Add(main);
    if (tile.out != nullptr) low_rank_.AddTo(segments, panel, block, columns);
    const std::int64_t row = block * TileRows<T>();
    tile.segments = segments.items.data();
    tile.segment_count = static_cast<std::int64_t>(segments.count);
    tile.rows = std::min(Group() * TileRows<T>(), tile.rows - row);
    tile.columns = panel.columns;
    if (tile.partial != nullptr) tile.partial += row * tile.partial_stride + panel.begin;
    if (tile.bias != nullptr) tile.bias += panel.begin;
    if (tile.out != nullptr) tile.out += row * tile.out_stride + panel.begin;
    Tiles<T>().multiply(tile);
  }

  static std::int64_t Group() { return Tiles<T>().shape.group; }

  static constexpr std::int64_t kFetchBlocks = kTileColumns;

  const at::Tensor& out_;
  const at::Tensor& weight_;
  const GemmOptions& options_;
  bool adds_;
  std::vector<Panel> panels_;
  std::int64_t groups_ = 0;  ///< of blocks of rows
  LowRankPanels<T> low_rank_;
  at::Tensor bias_;
  at::Tensor partial_;
};

#endif

}  // namespace

#if defined(__x86_64__)

bool HasGemm(const at::Tensor& x) {
  // Fewer rows leave the packing of the weight dearer than the product.
  constexpr std::int64_t kRows = 28;
  return x.size(0) >= kRows && HasTiles(x);
}

void MultiplyInto(const at::Tensor& out, PackedRows& x, const at::Tensor& weight,
                  const GemmOptions& options) {
  DispatchTiles(x.x(), [&](auto tag) {
    Gemm<decltype(tag)>(out, weight, options, Target::kReplaced).Run(x);
  });
}

void AddMultiplied(const at::Tensor& sums, PackedRows& x, const at::Tensor& weight) {
  DispatchTiles(x.x(),
                [&](auto tag) { Gemm<decltype(tag)>(sums, weight, {}, Target::kAddedTo).Run(x); });
}

#else

bool HasGemm(const at::Tensor&) {
  return false;
}
void MultiplyInto(const at::Tensor&, PackedRows&, const at::Tensor&, const GemmOptions&) {
  LATHE_CHECK(false, "no matrix products of our own on this processor");
}
void AddMultiplied(const at::Tensor&, PackedRows&, const at::Tensor&) {
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
