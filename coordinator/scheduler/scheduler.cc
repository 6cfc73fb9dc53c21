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

/// One pass under way.
class Pass {
 public:
  explicit Pass(Snapshot& snapshot)
      : snapshot_(snapshot), room_(snapshot.nodes), memories_(snapshot.shapes.size()) {}

  std::optional<Placement> PlaceOne(const JobView& job) {
    const Shape& shape = *snapshot_.shapes[job.shape];
    const auto best = Best(snapshot_.nodes, room_, shape, job, memories_[job.shape]);
    if (!best) return std::nullopt;
    NodeView& node = snapshot_.nodes[*best];
    const NodeView before = node;
    std::vector<std::uint32_t> gpus = Take(node, shape);
    room_.Move(*best, before, node);
    return Placement{*job.id, node.description->id, std::move(gpus)};
  }

 private:
  Snapshot& snapshot_;
  NodesByRoom room_;
  std::vector<ShapeMemory> memories_;
};

domain::Reason ExplainEngine(const std::vector<NodeView>& nodes, const Shape& shape) {
  using domain::ReasonCode;
  const auto node = std::find_if(nodes.begin(), nodes.end(),
                                 [&](const NodeView& each) { return Offers(each, shape); });
  if (node == nodes.end() || node->description->resources.cpu_slots == 0) {
    return {ReasonCode::kWaitingForEngine, "The coordinator has no key of the engine " +
                                               shape.engine +
                                               " any more; goes on when it has one."};
  }
  if (node->free_cpu_slots >= shape.resources.cpu_slots) return {ReasonCode::kQueued, ""};
  return {ReasonCode::kWaitingForResources,
          node->description->hostname + " has as many jobs of this cluster as it may, " +
              std::to_string(node->description->resources.cpu_slots) + "; waits for one to end."};
}

/// Machines have the base model, and none has a trainer that can do all.
domain::Reason ExplainFeatures(const std::vector<NodeView>& nodes, const Shape& shape) {
  const NodeView* nearest = nullptr;
  std::vector<std::string> lacking;
  for (const NodeView& node : nodes) {
    if (!IsCandidate(node, shape)) continue;
    if (node.lacks == nullptr) {
      return {domain::ReasonCode::kTrainerLacks, "Waits until worker " +
                                                     node.description->id.value() +
                                                     " has told what its trainer can do."};
    }
    std::vector<std::string> own = Lacking(node, shape);
    if (nearest != nullptr && own.size() >= lacking.size()) continue;
    nearest = &node;
    lacking = std::move(own);
  }
  std::string text = "No connected worker that has the base model can do all that it asks for; " +
                     nearest->description->id.value() + " lacks ";
  const char* separator = "";
  for (const std::string& feature : lacking) {
    text += separator + feature;
    separator = ", ";
  }
  return {domain::ReasonCode::kTrainerLacks, text + "."};
}

}  // namespace

Plan MakePlan(Snapshot snapshot) {
  Order(snapshot.queue);
  Plan plan;
  Pass pass(snapshot);
  for (const JobView& job : snapshot.queue) {
    if (auto placement = pass.PlaceOne(job)) plan.placements.push_back(std::move(*placement));
  }
  return plan;
}

domain::Reason Explain(const std::vector<NodeView>& nodes, const Shape& shape) {
  using domain::ReasonCode;
  if (!shape.engine.empty()) return ExplainEngine(nodes, shape);
  const bool any_machine = std::any_of(nodes.begin(), nodes.end(), [](const NodeView& node) {
    return node.description->engine.empty();
  });
  if (!any_machine) return {ReasonCode::kWaitingForNode, ""};
  const std::uint32_t wanted = WantedUnits(shape);
  std::uint32_t largest = 0;
  std::uint32_t largest_free = 0;
  bool model_known = false;
  bool offered = false;
  for (const NodeView& node : nodes) {
    if (!IsCandidate(node, shape)) continue;
    model_known = true;
    if (!Offers(node, shape)) continue;
    offered = true;
    largest = std::max(largest, TotalUnits(node, shape));
    largest_free = std::max(largest_free, FreeUnits(node, shape));
  }
  if (!model_known) {
    return {ReasonCode::kBaseModelMissing,
            "No connected worker has the base model " + shape.base_model + "."};
  }
  if (!offered) return ExplainFeatures(nodes, shape);
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
