#include "coordinator/scheduler/rank.h"

#include <algorithm>
#include <tuple>

#include "coordinator/scheduler/filter.h"

namespace lathe::scheduler {
namespace {

bool Is(const domain::NodeId* id, const NodeView& node) {
  return id != nullptr && *id == node.description->id;
}

/// Smaller is better; the index makes it total.
using Score = std::tuple<bool, bool, std::uint32_t, std::size_t>;

Score Rate(const NodeView& node, std::size_t index, const Shape& shape, const JobView& job) {
  const bool avoided = Is(job.avoided, node);
  const bool elsewhere = !Is(job.preferred, node);
  const std::uint32_t left = FreeUnits(node, shape) - WantedUnits(shape);
  const std::uint32_t fit = shape.resources.gpus > 0 ? left : UINT32_MAX - left;
  return {avoided, elsewhere, fit, index};
}

}  // namespace

std::optional<std::size_t> Best(const std::vector<NodeView>& nodes, const Shape& shape,
                                const JobView& job, std::vector<std::size_t>& feasible) {
  const std::uint32_t wanted = WantedUnits(shape);
  std::erase_if(feasible, [&](std::size_t i) { return FreeUnits(nodes[i], shape) < wanted; });
  std::optional<Score> best;
  for (const std::size_t i : feasible) {
    const Score score = Rate(nodes[i], i, shape, job);
    if (!best || score < *best) best = score;
  }
  if (!best) return std::nullopt;
  return std::get<3>(*best);
}

}  // namespace lathe::scheduler
