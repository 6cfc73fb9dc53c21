// Gradients of narrow matrices: sums over all rows of outer products. They wait for the wide
// operand, so this is read once, by blocks that take a strip of 128 columns and some of the rows,
// with sums in registers. A second kernel adds the blocks' sums to the gradient.

#include "worker/trainer/kernels/cuda/slab.h"

namespace lathe::trainer::kernels::cuda {
namespace {

constexpr int kTilesAcross = 2;  ///< of a warp
constexpr int kStrip = kSlabThreads / kWarp * kTilesAcross * kTileColumns;
constexpr int kBlocks = 2;  ///< on a multiprocessor

/// Sums of a split lie in the workspace part after part, each in its gradient's order.
struct OuterPlan {
  OuterCall call;
  std::int64_t depth;  ///< rows that a block sums over
  int splits;
  unsigned strips[kMostParts];       ///< of each part's columns
  std::int64_t offsets[kMostParts];  ///< of each part in a split's sums
  std::int64_t all;                  ///< sums of a split
  unsigned tasks;                    ///< strips of all parts
};

OuterPlan PlanOf(const OuterCall& call) {
  OuterPlan plan{call, 0, 0, {}, {}, 0, 0};
  for (int i = 0; i < call.count; ++i) {
    const OuterPart& part = call.parts[i];
    plan.strips[i] = static_cast<unsigned>(DivideUp(part.wide.columns, kStrip));
    plan.tasks += plan.strips[i];
    plan.offsets[i] = plan.all;
    plan.all += part.narrow.columns * part.wide.columns;
  }
  plan.depth = DepthOfSplit(call.rows, plan.tasks);
  plan.splits = static_cast<int>(DivideUp(call.rows, plan.depth));
  return plan;
}

/// Whether a gradient's columns are what lies side by side.
LATHE_DEVICE bool Mirrored(const OuterPart& part) {
  return part.column_stride != 1;
}

/// One block for a strip of a part and one split of the rows.
template <class T, int kGroups>
LATHE_KERNEL_WITH_ROOM(kSlabThreads, kBlocks)
OuterKernel(OuterPlan plan) {
  using Narrow = Slab<kSlabDepth, kGroups * kTileRows>;
  using Wide = Slab<kSlabDepth, kStrip>;
  alignas(16) LATHE_SHARED std::uint16_t shared_narrow[Narrow::kValues];
  alignas(16) LATHE_SHARED std::uint16_t shared_wide[Wide::kValues];

  const std::int64_t split = BlockIndex() / plan.tasks;
  unsigned strip = BlockIndex() % plan.tasks;
  int index = 0;
  while (strip >= plan.strips[index]) strip -= plan.strips[index++];
  const OuterPart& part = plan.call.parts[index];
  const std::int64_t rank = part.narrow.columns;
  const std::int64_t column = static_cast<std::int64_t>(strip) * kStrip;
  const std::int64_t begin = split * plan.depth;
  const std::int64_t end =
      begin + plan.depth < plan.call.rows ? begin + plan.depth : plan.call.rows;

  Narrow narrow;
  Wide wide;
  const auto fetch = [&](std::int64_t row) {
    wide.FetchPieces(part.wide, row, column);
    narrow.FetchAny(part.narrow, row, 0);
  };
  const int own = static_cast<int>(ThreadIndex() / kWarp) * kTilesAcross * kTileColumns;
  ResultTile sums[kGroups][kTilesAcross] = {};
  fetch(begin);
  for (std::int64_t row = begin; row < end; row += kSlabDepth) {
    SyncBlock();  // The slabs before have been read.
    narrow.Put(shared_narrow);
    wide.Put(shared_wide);
    SyncBlock();
    if (row + kSlabDepth < end) fetch(row + kSlabDepth);
    LATHE_UNROLL for (int d = 0; d < kSlabDepth; d += kTileDepth) {
      const RightTiles right =
          LoadRightTransposed(shared_wide + d * Wide::kStride + own, Wide::kStride);
      LATHE_UNROLL for (int g = 0; g < kGroups; ++g) {
        if (g * kTileRows >= rank) continue;
        const LeftTile left = LoadLeftTransposed(
            shared_narrow + d * Narrow::kStride + g * kTileRows, Narrow::kStride);
        Multiply<T>(sums[g][0], left, right.words[0]);
        Multiply<T>(sums[g][1], left, right.words[1]);
      }
    }
  }

  float* const to = plan.call.workspace + split * plan.all + plan.offsets[index];
  LATHE_UNROLL for (int g = 0; g < kGroups; ++g) {
    LATHE_UNROLL for (int i = 0; i < 8; ++i) {
      const int r = g * kTileRows + ResultTile::Row(i % 4);
      const std::int64_t c = column + own + i / 4 * kTileColumns + ResultTile::Column(i % 4);
      if (r >= rank || c >= part.wide.columns) continue;
      const float sum = sums[g][i / 4].values[i % 4];
      to[Mirrored(part) ? c * rank + r : r * part.wide.columns + c] = sum;
    }
  }
}

/// One thread a value of a gradient.
LATHE_KERNEL AddSumsKernel(OuterPlan plan) {
  const std::uint32_t place = BlockIndex() * BlockSize() + ThreadIndex();
  if (place >= plan.all) return;
  int index = 0;
  while (index + 1 < plan.call.count && place >= plan.offsets[index + 1]) ++index;
  const OuterPart& part = plan.call.parts[index];
  float sum = 0;
  for (int split = 0; split < plan.splits; ++split) {
    sum += plan.call.workspace[split * plan.all + place];
  }
  const std::uint32_t own = place - static_cast<std::uint32_t>(plan.offsets[index]);
  const bool mirrored = Mirrored(part);
  const auto inner = static_cast<std::uint32_t>(mirrored ? part.narrow.columns : part.wide.columns);
  const std::int64_t r = mirrored ? own % inner : own / inner;
  const std::int64_t c = mirrored ? own / inner : own % inner;
  part.gradient[r * part.row_stride + c * part.column_stride] += part.scale * sum;
}

}  // namespace

std::int64_t OuterWorkspace(const OuterCall& call) {
  const OuterPlan plan = PlanOf(call);
  return plan.splits * plan.all;
}

void AddOuterProducts(const OuterCall& call, void* stream) {
  const OuterPlan plan = PlanOf(call);
  std::int64_t widest = 0;
  for (int i = 0; i < call.count; ++i) {
    const std::int64_t columns = call.parts[i].narrow.columns;
    widest = columns > widest ? columns : widest;
  }
  ForHalfType(call.element, [&](auto type) {
    ForNarrowGroups(widest, [&](auto groups) {
      Launch(OuterKernel<decltype(type), decltype(groups)::kGroups>,
             static_cast<std::int64_t>(plan.tasks) * plan.splits, kSlabThreads, stream, plan);
    });
  });
  Launch(AddSumsKernel, DivideUp(plan.all, kSlabThreads), kSlabThreads, stream, plan);
}

}  // namespace lathe::trainer::kernels::cuda
