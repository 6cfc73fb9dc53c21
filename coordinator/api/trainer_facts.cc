#include "coordinator/api/trainer_facts.h"

namespace lathe::api {

std::vector<v1::TrainerCapabilities> TrainersOf(const Context& context,
                                                const std::vector<runtime::NodeView>& nodes) {
  std::vector<v1::TrainerCapabilities> trainers;
  for (const runtime::NodeView& node : nodes) {
    if (node.node.state != domain::NodeState::kReady) continue;
    if (auto told = context.sessions.facts().TrainerOf(node.node.id())) {
      trainers.push_back(std::move(*told));
    }
  }
  return trainers;
}

ClusterAbilities::Engines ClusterAbilities::Of(const runtime::NodesPtr& nodes) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t revision = context_.sessions.facts().revision();
  if (!engines_ || nodes != nodes_ || revision != revision_) {
    engines_ = std::make_shared<const providers::ClusterEngines>(
        providers::MakeClusterEngines(TrainersOf(context_, *nodes)));
    nodes_ = nodes;
    revision_ = revision;
  }
  return engines_;
}

}  // namespace lathe::api
