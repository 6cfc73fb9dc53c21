#include "coordinator/runtime/cluster_metrics.h"

#include <algorithm>
#include <string>

namespace lathe::runtime {
namespace {

using core::Trigger;
namespace metrics = telemetry::metrics;

constexpr std::array kStates = {domain::JobState::kPending,   domain::JobState::kStarting,
                                domain::JobState::kRunning,   domain::JobState::kPaused,
                                domain::JobState::kSucceeded, domain::JobState::kFailed,
                                domain::JobState::kCancelled};

bool EndsAttempt(const core::Transition& transition) {
  return domain::IsLive(transition.from) && !domain::IsLive(transition.to);
}

}  // namespace

void ClusterMetrics::Count(const core::Commit& commit, Instant now) {
  for (const core::Transition& transition : commit.transitions) {
    CountTransition(commit, transition, now);
  }
}

void ClusterMetrics::CountTransition(const core::Commit& commit, const core::Transition& transition,
                                     Instant now) {
  const domain::AttemptKey key{transition.job, transition.attempt};
  if (transition.trigger == Trigger::kAssigned) {
    assigned_[key] = now;
    const auto job = std::find_if(commit.jobs.begin(), commit.jobs.end(),
                                  [&](const domain::Job& j) { return j.id() == transition.job; });
    if (transition.attempt.value() == 1 && job != commit.jobs.end()) {
      telemetry_.Observe(metrics::kQueueWait, now - job->created);
    }
  }
  if (transition.trigger == Trigger::kTrainerStarted && assigned_.contains(key)) {
    telemetry_.Observe(metrics::kDispatchLatency, now - assigned_[key]);
    assigned_.erase(key);
  }
  if (EndsAttempt(transition)) {
    assigned_.erase(key);
    telemetry_.Add(metrics::kAttempts,
                   {{"outcome", std::string(core::ToString(transition.trigger))}});
  }
}

void ClusterMetrics::Refresh(const View& view) {
  for (const domain::JobState state : kStates) {
    telemetry_.Set(metrics::kJobs, static_cast<double>(view.Count(state)),
                   {{"state", std::string(domain::ToString(state))}});
  }
  double ready = 0, lost = 0, gpus = 0, gpus_used = 0, slots = 0, slots_used = 0;
  const NodesPtr nodes = view.Nodes();
  for (const NodeView& node : *nodes) {
    if (node.node.state != domain::NodeState::kReady) {
      ++lost;
      continue;
    }
    ++ready;
    gpus += static_cast<double>(node.node.description.resources.gpus.size());
    slots += node.node.description.resources.cpu_slots;
    gpus_used += node.gpus_in_use;
    slots_used += node.cpu_slots_in_use;
  }
  telemetry_.Set(metrics::kNodes, ready, {{"state", "ready"}});
  telemetry_.Set(metrics::kNodes, lost, {{"state", "lost"}});
  telemetry_.Set(metrics::kGpus, gpus_used, {{"state", "used"}});
  telemetry_.Set(metrics::kGpus, gpus - gpus_used, {{"state", "free"}});
  telemetry_.Set(metrics::kCpuSlots, slots_used, {{"state", "used"}});
  telemetry_.Set(metrics::kCpuSlots, slots - slots_used, {{"state", "free"}});
}

}  // namespace lathe::runtime
