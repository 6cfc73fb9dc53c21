#pragma once
// What workers have found out about their base models and devices; the latest word of each node.
// Not stored: a worker tells it again on every stream. Thread-safe.

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "common/domain/ids.h"
#include "common/estimator/shape.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::sessions {

class NodeFacts {
 public:
  /// Facts that no model can have (sizes below zero or absurd) are left out.
  void Update(const domain::NodeId& node, const v1::NodeFacts& facts);

  /// Of the model by that name on any node; nullopt while none has told it.
  std::optional<estimator::ModelShape> ShapeOf(const std::string& model) const;
  /// nullopt while it has not told it.
  std::optional<v1::MeasuredSpeed> SpeedOf(const domain::NodeId& node) const;
  /// What its trainer can do; nullopt while it has not told it.
  std::optional<v1::TrainerCapabilities> TrainerOf(const domain::NodeId& node) const;
  /// Grows with each Update.
  std::uint64_t revision() const { return revision_; }

 private:
  std::atomic<std::uint64_t> revision_ = 0;
  mutable std::mutex mutex_;  ///< guards all below
  std::map<std::string, estimator::ModelShape> shapes_;
  std::map<domain::NodeId, v1::MeasuredSpeed> speeds_;
  std::map<domain::NodeId, v1::TrainerCapabilities> trainers_;
};

}  // namespace lathe::sessions
