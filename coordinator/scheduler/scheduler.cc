#include "coordinator/scheduler/scheduler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "coordinator/scheduler/filter.h"
#include "coordinator/scheduler/place.h"
#include "coordinator/scheduler/queue_order.h"
#include "coordinator/scheduler/rank.h"

namespace lathe::scheduler {
namespace {

/// The nodes a shape may still use in this pass: worked out at its first job. Empty: it is blocked.
using FeasibleByShape = std::vector<std::optional<std::vector<std::size_t>>>;

std::optional<Placement> PlaceOne(Snapshot& snapshot, const JobView& job,
                                  FeasibleByShape& feasible) {
  const Shape& shape = *snapshot.shapes[job.shape];
  auto& nodes = feasible[job.shape];
  if (!nodes) nodes = Feasible(snapshot.nodes, shape);
  if (nodes->empty()) return std::nullopt;
  const auto best = Best(snapshot.nodes, shape, job, *nodes);
  if (!best) return std::nullopt;
  NodeView& node = snapshot.nodes[*best];
  return Placement{*job.id, node.description->id, Take(node, shape)};
}

}  // namespace

Plan MakePlan(Snapshot snapshot) {
  Order(snapshot.queue);
  Plan plan;
  FeasibleByShape feasible(snapshot.shapes.size());
  for (const JobView& job : snapshot.queue) {
    if (auto placement = PlaceOne(snapshot, job, feasible)) {
      plan.placements.push_back(std::move(*placement));
    }
  }
  return plan;
}

domain::Reason Explain(const std::vector<NodeView>& nodes, const Shape& shape) {
  using domain::ReasonCode;
  if (nodes.empty()) return {ReasonCode::kWaitingForNode, ""};
  const std::uint32_t wanted = WantedUnits(shape);
  std::uint32_t largest = 0;
  std::uint32_t largest_free = 0;
  bool model_known = false;
  for (const NodeView& node : nodes) {
    if (!HasModel(node, shape.base_model)) continue;
    model_known = true;
    largest = std::max(largest, TotalUnits(node, shape));
    largest_free = std::max(largest_free, FreeUnits(node, shape));
  }
  if (!model_known) {
    return {ReasonCode::kBaseModelMissing,
            "No connected worker has the base model " + shape.base_model + "."};
  }
  const std::string needs = "Needs " + domain::Describe(shape.resources) + " on one worker; ";
  if (largest < wanted) {
    return {ReasonCode::kNoNodeFits, needs + "the largest one that has the base model offers " +
                                         std::to_string(largest) + " in all."};
  }
  if (largest_free < wanted) {
    return {ReasonCode::kWaitingForResources,
            needs + "the largest free block is " + std::to_string(largest_free) + "."};
  }
  return {ReasonCode::kQueued, ""};
}

}  // namespace lathe::scheduler
