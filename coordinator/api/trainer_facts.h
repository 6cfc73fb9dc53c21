#pragma once
// What the trainers of the nodes that are present tell of themselves.

#include <memory>
#include <mutex>
#include <vector>

#include "coordinator/api/context.h"
#include "coordinator/providers/cluster.h"

namespace lathe::api {

std::vector<v1::TrainerCapabilities> TrainersOf(const Context& context,
                                                const std::vector<runtime::NodeView>& nodes);

/// What the cluster can do, worked out again only when its nodes or what they tell have changed:
/// each submission asks. Thread-safe.
class ClusterAbilities {
 public:
  using Engines = std::shared_ptr<const providers::ClusterEngines>;

  /// All of the context must outlive it.
  explicit ClusterAbilities(const Context& context) : context_(context) {}

  Engines Of(const runtime::NodesPtr& nodes);

 private:
  const Context context_;
  std::mutex mutex_;  ///< guards all below
  runtime::NodesPtr nodes_;
  std::uint64_t revision_ = 0;
  Engines engines_;
};

}  // namespace lathe::api
