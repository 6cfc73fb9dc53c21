#include "coordinator/sessions/node_facts.h"

#include <algorithm>

namespace lathe::sessions {
namespace {

constexpr std::int64_t kLargestSize = std::int64_t{1} << 32;
constexpr std::size_t kMostModels = 10000;
constexpr int kMostRows = 1000;

bool IsPlausible(const v1::ModelShape& shape) {
  const auto sizes = {shape.vocabulary(), shape.hidden(),   shape.layers(),      shape.heads(),
                      shape.kv_heads(),   shape.head_dim(), shape.intermediate()};
  return !shape.name().empty() && std::all_of(sizes.begin(), sizes.end(), [](std::int64_t size) {
    return size > 0 && size < kLargestSize;
  });
}

estimator::ModelShape FromProto(const v1::ModelShape& shape) {
  return {.architecture = shape.architecture(),
          .vocabulary = shape.vocabulary(),
          .hidden = shape.hidden(),
          .layers = shape.layers(),
          .heads = shape.heads(),
          .kv_heads = shape.kv_heads(),
          .head_dim = shape.head_dim(),
          .intermediate = shape.intermediate(),
          .context = shape.context(),
          .tied_embeddings = shape.tied_embeddings(),
          .bytes_per_token = shape.bytes_per_token()};
}

}  // namespace

void NodeFacts::Update(const domain::NodeId& node, const v1::NodeFacts& facts) {
  const std::lock_guard lock(mutex_);
  if (facts.has_speed()) speeds_[node] = facts.speed();
  if (facts.has_trainer() && facts.trainer().accepted_size() <= kMostRows) {
    trainers_[node] = facts.trainer();
  }
  for (const v1::ModelShape& shape : facts.model_shapes()) {
    if (!IsPlausible(shape) || shapes_.size() >= kMostModels) continue;
    shapes_[shape.name()] = FromProto(shape);
  }
  ++revision_;
}

std::optional<estimator::ModelShape> NodeFacts::ShapeOf(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  const auto found = shapes_.find(model);
  return found == shapes_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<v1::MeasuredSpeed> NodeFacts::SpeedOf(const domain::NodeId& node) const {
  const std::lock_guard lock(mutex_);
  const auto found = speeds_.find(node);
  return found == speeds_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<v1::TrainerCapabilities> NodeFacts::TrainerOf(const domain::NodeId& node) const {
  const std::lock_guard lock(mutex_);
  const auto found = trainers_.find(node);
  return found == trainers_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace lathe::sessions
