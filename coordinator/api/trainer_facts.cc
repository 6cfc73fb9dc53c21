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

}  // namespace lathe::api
