#include "coordinator/scheduler/rank.h"

#include <algorithm>

#include "coordinator/scheduler/filter.h"

namespace lathe::scheduler {
namespace {

void Put(std::vector<std::set<std::size_t>>& buckets, std::size_t room, std::size_t node) {
  if (buckets.size() <= room) buckets.resize(room + 1);
  buckets[room].insert(node);
}

bool CanTake(const std::vector<NodeView>& nodes, std::size_t index, const Shape& shape,
             ShapeMemory& memory) {
  if (memory.excluded.empty()) memory.excluded.resize(nodes.size());
  if (memory.excluded[index]) return false;
  memory.excluded[index] = !Fits(nodes[index], shape);
  return !memory.excluded[index];
}

std::optional<std::size_t> FindNode(const std::vector<NodeView>& nodes, const domain::NodeId& id) {
  const auto found = std::lower_bound(nodes.begin(), nodes.end(), id,
                                      [](const NodeView& node, const domain::NodeId& wanted) {
                                        return node.description->id < wanted;
                                      });
  if (found == nodes.end() || found->description->id != id) return std::nullopt;
  return static_cast<std::size_t>(found - nodes.begin());
}

std::optional<std::size_t> PreferredNode(const std::vector<NodeView>& nodes, const JobView& job) {
  if (job.preferred == nullptr) return std::nullopt;
  if (job.avoided != nullptr && *job.avoided == *job.preferred) return std::nullopt;
  return FindNode(nodes, *job.preferred);
}

/// There is one node for an engine, or none.
std::optional<std::size_t> EngineNode(const std::vector<NodeView>& nodes, const Shape& shape,
                                      ShapeMemory& memory) {
  const auto found = std::find_if(nodes.begin(), nodes.end(),
                                  [&](const NodeView& node) { return Fits(node, shape); });
  memory.blocked = found == nodes.end();
  if (memory.blocked) return std::nullopt;
  return static_cast<std::size_t>(found - nodes.begin());
}

}  // namespace

NodesByRoom::NodesByRoom(const std::vector<NodeView>& nodes) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].description->engine.empty()) continue;
    Put(by_gpus_, nodes[i].free_gpus.size(), i);
    Put(by_cpu_slots_, nodes[i].free_cpu_slots, i);
  }
}

void NodesByRoom::Move(std::size_t node, const NodeView& before, const NodeView& after) {
  if (!before.description->engine.empty()) return;
  by_gpus_[before.free_gpus.size()].erase(node);
  by_cpu_slots_[before.free_cpu_slots].erase(node);
  Put(by_gpus_, after.free_gpus.size(), node);
  Put(by_cpu_slots_, after.free_cpu_slots, node);
}

std::vector<const std::set<std::size_t>*> NodesByRoom::BestFirst(const Shape& shape) const {
  const bool on_gpus = shape.resources.gpus > 0;
  const Buckets& buckets = on_gpus ? by_gpus_ : by_cpu_slots_;
  std::vector<const std::set<std::size_t>*> groups;
  for (std::size_t room = WantedUnits(shape); room < buckets.size(); ++room) {
    groups.push_back(&buckets[room]);
  }
  if (!on_gpus) std::reverse(groups.begin(), groups.end());
  return groups;
}

std::optional<std::size_t> Best(const std::vector<NodeView>& nodes, const NodesByRoom& room,
                                const Shape& shape, const JobView& job, ShapeMemory& memory) {
  if (memory.blocked) return std::nullopt;
  if (!shape.engine.empty()) return EngineNode(nodes, shape, memory);
  const auto preferred = PreferredNode(nodes, job);
  if (preferred && CanTake(nodes, *preferred, shape, memory)) return preferred;
  const auto avoided = job.avoided == nullptr ? std::nullopt : FindNode(nodes, *job.avoided);
  for (const std::set<std::size_t>* group : room.BestFirst(shape)) {
    for (const std::size_t node : *group) {
      if (node != avoided && CanTake(nodes, node, shape, memory)) return node;
    }
  }
  if (avoided && CanTake(nodes, *avoided, shape, memory)) return avoided;
  memory.blocked = true;
  return std::nullopt;
}

}  // namespace lathe::scheduler
