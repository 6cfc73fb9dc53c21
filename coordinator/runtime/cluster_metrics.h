#pragma once
// What the loop's commits say in numbers: attempts, waiting times, jobs, nodes and what is used of
// them. Belongs to the loop's thread.

#include <map>

#include "common/telemetry/telemetry.h"
#include "coordinator/core/commit.h"
#include "coordinator/runtime/view.h"

namespace lathe::runtime {

class ClusterMetrics {
 public:
  /// The telemetry must outlive it.
  explicit ClusterMetrics(telemetry::Telemetry& telemetry) : telemetry_(telemetry) {}

  /// Counts a durable commit's transitions; `now` is when it became durable.
  void Count(const core::Commit& commit, Instant now);
  /// Sets the gauges of jobs, nodes, GPUs and slots.
  void Refresh(const View& view);

 private:
  void CountTransition(const core::Commit& commit, const core::Transition& transition, Instant now);

  telemetry::Telemetry& telemetry_;
  std::map<domain::AttemptKey, Instant> assigned_;  // attempts whose trainers have not started
};

}  // namespace lathe::runtime
