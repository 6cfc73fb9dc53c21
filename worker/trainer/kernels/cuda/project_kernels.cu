// Projections of rows to few columns: they wait for the rows, so these are read once, by blocks of
// 128 whose products stay in registers. Where rows are few the sums over their columns are split
// among blocks, and a second kernel adds up what these have got.

#include <type_traits>

#include "worker/trainer/kernels/cuda/slab.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr int kRows = kSlabThreads / kWarp * kTileRows;  ///< of a block: 16 a warp
constexpr int kBlocks = 2;                               ///< on a multiprocessor

struct ProjectPlan {
  ProjectCall call;
  std::int64_t depth;      ///< columns that a block sums over
  int splits[kMostParts];  ///< of each part's columns
  int tasks;               ///< all splits of all parts
};

ProjectPlan PlanOf(const ProjectCall& call) {
  ProjectPlan plan{call, 0, {}, 0};
  std::int64_t columns = 0;
  for (int i = 0; i < call.count; ++i) columns += call.parts[i].x.columns;
  plan.depth = DepthOfSplit(columns, DivideUp(call.rows, kRows));
  for (int i = 0; i < call.count; ++i) {
    plan.splits[i] = static_cast<int>(DivideUp(call.parts[i].x.columns, plan.depth));
    plan.tasks += plan.splits[i];
  }
  return plan;
}

int MostSplits(const ProjectPlan& plan) {
  int most = 0;
  for (const int splits : plan.splits) most = splits > most ? splits : most;
  return most;
}

LATHE_DEVICE std::int64_t RankOf(const ProjectCall& call, const ProjectPart& part) {
  return call.transposed ? part.weight.columns : part.weight.rows;
}

/// A warp's 16 rows of a part, to z or to where splits are added up.
template <class T, int kGroups>
LATHE_DEVICE void StoreSums(const ProjectPlan& plan, int index, int split, std::int64_t row,
                            const ResultTile (&sums)[kGroups][2]) {
  const ProjectPart& part = plan.call.parts[index];
  const std::int64_t rank = RankOf(plan.call, part);
  LATHE_UNROLL for (int g = 0; g < kGroups; ++g) {
    LATHE_UNROLL for (int i = 0; i < 8; ++i) {
      const std::int64_t r = row + ResultTile::Row(i % 4);
      const int c = g * kTileRows + i / 4 * kTileColumns + ResultTile::Column(i % 4);
      if (r >= plan.call.rows || c >= rank) continue;
      const float sum = sums[g][i / 4].values[i % 4];
      const std::int64_t place = r * plan.call.width + part.column + c;
      if (plan.call.workspace == nullptr) {
        static_cast<T*>(plan.call.z)[place] = FromFloat<T>(part.scale * sum);
      } else {
        plan.call.workspace[split * plan.call.rows * plan.call.width + place] = sum;
      }
    }
  }
}

/// One block for 128 rows and one split of a part.
template <class T, int kGroups, bool kTransposed>
LATHE_KERNEL_WITH_ROOM(kSlabThreads, kBlocks)
ProjectKernel(ProjectPlan plan) {
  constexpr int kNarrow = kGroups * kTileRows;
  using Rows = Slab<kRows, kSlabDepth>;
  using Weight =
      std::conditional_t<kTransposed, Slab<kSlabDepth, kNarrow>, Slab<kNarrow, kSlabDepth>>;
  alignas(16) LATHE_SHARED std::uint16_t shared_rows[Rows::kValues];
  alignas(16) LATHE_SHARED std::uint16_t shared_weight[Weight::kValues];

  const auto tasks = static_cast<unsigned>(plan.tasks);
  const std::int64_t row = static_cast<std::int64_t>(BlockIndex() / tasks) * kRows;
  int split = static_cast<int>(BlockIndex() % tasks);
  int index = 0;
  while (split >= plan.splits[index]) split -= plan.splits[index++];
  const ProjectPart& part = plan.call.parts[index];
  const std::int64_t rank = RankOf(plan.call, part);
  const std::int64_t begin = split * plan.depth;
  const std::int64_t end =
      begin + plan.depth < part.x.columns ? begin + plan.depth : part.x.columns;

  Rows rows;
  Weight weight;
  const auto fetch = [&](std::int64_t k) {
    rows.FetchPieces(part.x, row, k);
    if constexpr (kTransposed) {
      weight.FetchAny(part.weight, k, 0);
    } else {
      weight.FetchAny(part.weight, 0, k);
    }
  };
  const int own = static_cast<int>(ThreadIndex() / kWarp) * kTileRows;
  ResultTile sums[kGroups][2] = {};
  fetch(begin);
  for (std::int64_t k = begin; k < end; k += kSlabDepth) {
    SyncBlock();  // The slabs before have been read.
    rows.Put(shared_rows);
    weight.Put(shared_weight);
    SyncBlock();
    if (k + kSlabDepth < end) fetch(k + kSlabDepth);
    LATHE_UNROLL for (int d = 0; d < kSlabDepth; d += kTileDepth) {
      const LeftTile left = LoadLeft(shared_rows + own * Rows::kStride + d, Rows::kStride);
      LATHE_UNROLL for (int g = 0; g < kGroups; ++g) {
        if (g * kTileRows >= rank) continue;
        const RightTiles right =
            kTransposed
                ? LoadRightTransposed(shared_weight + d * Weight::kStride + g * kTileRows,
                                      Weight::kStride)
                : LoadRight(shared_weight + g * kTileRows * Weight::kStride + d, Weight::kStride);
        Multiply<T>(sums[g][0], left, right.words[0]);
        Multiply<T>(sums[g][1], left, right.words[1]);
      }
    }
  }

  StoreSums<T>(plan, index, split, row + own, sums);
}

/// One thread a value of z.
template <class T>
LATHE_KERNEL AddSplitsKernel(ProjectPlan plan) {
  const std::uint32_t place = BlockIndex() * BlockSize() + ThreadIndex();
  const std::int64_t all = plan.call.rows * plan.call.width;
  if (place >= all) return;
  const std::uint32_t column = place % static_cast<std::uint32_t>(plan.call.width);
  int index = 0;
  while (index + 1 < plan.call.count && column >= plan.call.parts[index + 1].column) ++index;
  float sum = 0;
  for (int split = 0; split < plan.splits[index]; ++split) {
    sum += plan.call.workspace[split * all + place];
  }
  static_cast<T*>(plan.call.z)[place] = FromFloat<T>(plan.call.parts[index].scale * sum);
}

}  // namespace

std::int64_t ProjectWorkspace(const ProjectCall& call) {
  const int splits = MostSplits(PlanOf(call));
  return splits > 1 ? splits * call.rows * call.width : 0;
}

void Project(const ProjectCall& call, void* stream) {
  const ProjectPlan plan = PlanOf(call);
  std::int64_t widest = 0;
  for (int i = 0; i < call.count; ++i) {
    const MatrixView& weight = call.parts[i].weight;
    const std::int64_t rank = call.transposed ? weight.columns : weight.rows;
    widest = rank > widest ? rank : widest;
  }
  ForHalfType(call.element, [&](auto type) {
    using T = decltype(type);
    ForNarrowGroups(widest, [&](auto groups) {
      constexpr int kGroups = decltype(groups)::kGroups;
      Launch(call.transposed ? ProjectKernel<T, kGroups, true> : ProjectKernel<T, kGroups, false>,
             DivideUp(call.rows, kRows) * plan.tasks, kSlabThreads, stream, plan);
    });
    if (call.workspace == nullptr) return;
    Launch(AddSplitsKernel<T>, DivideUp(call.rows * call.width, kSlabThreads), kSlabThreads, stream,
           plan);
  });
}

}  // namespace lathe::trainer::kernels::cuda
