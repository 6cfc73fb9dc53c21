#pragma once
// What the scheduler sees: the cluster and the queue at one moment. Pointers lead into the caller's
// own values, which stay as they are during the pass; nothing is changed through them.

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/ids.h"
#include "common/domain/node.h"
#include "common/domain/resources.h"

namespace lathe::scheduler {

/// A connected node: a machine, or the way to an engine, whose slots are jobs that it may have.
struct NodeView {
  const domain::NodeDescription* description = nullptr;
  std::vector<std::uint32_t>
      free_gpus;  ///< indices, growing; empty when its trainer can't use GPUs
  std::uint32_t free_cpu_slots = 0;
  /// What its trainer cannot do, sorted; null: it has not told yet.
  const std::vector<std::string>* lacks = nullptr;
};

/// All that a placement depends on. Jobs of one shape fit, or do not, alike.
struct Shape {
  domain::ResourceRequest resources;
  std::string base_model;  ///< empty for an engine's
  std::string engine;      ///< empty: a machine of the cluster
  /// Tokens of what the trainer must be able to do, sorted. They are compared, nothing else.
  std::vector<std::string> features;
  friend auto operator<=>(const Shape&, const Shape&) = default;
};

/// A job that may start.
struct JobView {
  const domain::JobId* id = nullptr;
  std::uint32_t shape = 0;  ///< index into Snapshot::shapes
  std::int32_t priority = 0;
  Instant created{};
  const domain::NodeId* preferred = nullptr;  ///< has its folder; null: none
  const domain::NodeId* avoided = nullptr;    ///< failed there; taken when nothing else fits
};

struct Snapshot {
  std::vector<NodeView> nodes;  ///< by id, growing
  std::vector<const Shape*> shapes;
  std::vector<JobView> queue;  ///< in any order
};

}  // namespace lathe::scheduler
