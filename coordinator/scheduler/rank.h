#pragma once
// Which of the nodes that can take a job is best for it: the node that has its folder; else, for
// GPUs, the tightest fit, so that large free blocks stay whole, and for CPU slots the emptiest
// node, since slots of one node share its memory bandwidth. The node to avoid comes last, and among
// equals the first.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "coordinator/scheduler/snapshot.h"

namespace lathe::scheduler {

/// The machines of a pass by what is free on them, so that the best one is found without looking at
/// all. Engines are not among them.
class NodesByRoom {
 public:
  explicit NodesByRoom(const std::vector<NodeView>& nodes);

  /// Tells that the node's free resources went from `before` to `after`.
  void Move(std::size_t node, const NodeView& before, const NodeView& after);

  /// Groups of nodes with at least the wanted room for the shape, best group first.
  std::vector<const std::set<std::size_t>*> BestFirst(const Shape& shape) const;

 private:
  using Buckets = std::vector<std::set<std::size_t>>;
  Buckets by_gpus_;
  Buckets by_cpu_slots_;
};

/// What a pass has learnt about one shape. As a pass only takes resources away, a node that could
/// not take the shape once can't later.
struct ShapeMemory {
  bool blocked = false;
  std::vector<bool> excluded;  ///< by node; sized at the first look
};

/// nullopt, and blocked from then on, when no node can take the shape.
std::optional<std::size_t> Best(const std::vector<NodeView>& nodes, const NodesByRoom& room,
                                const Shape& shape, const JobView& job, ShapeMemory& memory);

}  // namespace lathe::scheduler
