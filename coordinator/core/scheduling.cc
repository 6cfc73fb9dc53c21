#include "coordinator/core/scheduling.h"

#include <algorithm>
#include <utility>

#include "coordinator/core/attempts.h"
#include "coordinator/core/explain.h"
#include "coordinator/core/handlers.h"
#include "coordinator/core/queue.h"
#include "coordinator/scheduler/scheduler.h"

namespace lathe::core {
namespace {

using domain::Job;

/// So many jobs at the head of the queue carry their exact reason in the record. Not all: a busy
/// cluster would rewrite a hundred thousand records at each change.
constexpr std::size_t kExplainedJobs = 16;

/// From the second fault on one node without progress in between, another node is tried first; a
/// single crash says little, and the node has the job's folder.
constexpr std::uint32_t kFaultsUntilAvoided = 2;

scheduler::NodeView ViewNode(const NodeEntry& entry) {
  const domain::NodeResources& resources = entry.node.description.resources;
  scheduler::NodeView view{&entry.node.description, {}, 0, entry.lacks ? &*entry.lacks : nullptr};
  if (resources.cpu_slots > entry.cpu_slots_in_use) {
    view.free_cpu_slots = resources.cpu_slots - entry.cpu_slots_in_use;
  }
  if (!resources.cuda) return view;
  for (const domain::Gpu& gpu : resources.gpus) {
    if (!entry.gpus_in_use.contains(gpu.index)) view.free_gpus.push_back(gpu.index);
  }
  std::sort(view.free_gpus.begin(), view.free_gpus.end());
  return view;
}

scheduler::JobView ViewJob(const QueueEntry& entry) {
  const Job& job = *entry.job;
  scheduler::JobView view{&job.id(), entry.shape, job.spec.priority, job.created};
  if (job.attempt != domain::AttemptNumber{}) view.preferred = &job.node;
  if (job.faults >= kFaultsUntilAvoided) view.avoided = &job.fault_node;
  return view;
}

/// A plan is made from a snapshot; what has changed since is not overrun by it.
bool StillHolds(Transaction& tx, const scheduler::Placement& placement) {
  const Job* job = tx.Find(placement.job);
  if (job == nullptr || job->state != domain::JobState::kPending) return false;
  const auto node = tx.state().nodes.find(placement.node);
  if (node == tx.state().nodes.end() || !node->second.connected()) return false;
  const NodeEntry& entry = node->second;
  const bool gpus_free =
      std::none_of(placement.gpus.begin(), placement.gpus.end(),
                   [&](std::uint32_t gpu) { return entry.gpus_in_use.contains(gpu); });
  const std::uint32_t slots = entry.cpu_slots_in_use + job->spec.resources.cpu_slots;
  return gpus_free && placement.gpus.size() == job->spec.resources.gpus &&
         (job->spec.resources.cpu_slots == 0 ||
          slots <= entry.node.description.resources.cpu_slots);
}

void Start(Transaction& tx, scheduler::Placement placement) {
  NodeEntry& node = tx.state().nodes.at(placement.node);
  const Job& job = tx.Assign(placement.job, node, std::move(placement.gpus));
  tx.Send(node, OrderFor(job));
}

void ExplainHead(Transaction& tx) {
  const auto nodes = ViewNodes(tx.state());
  std::size_t count = 0;
  for (const QueueEntry& entry : tx.state().queue) {
    if (++count > kExplainedJobs) return;
    if (tx.state().retry_at.contains(entry.job->id())) continue;
    domain::Reason reason = scheduler::Explain(nodes, *tx.state().shape_by_number[entry.shape]);
    if (reason != entry.job->reason) tx.Change(entry.job->id()).reason = std::move(reason);
  }
}

}  // namespace

std::vector<scheduler::NodeView> ViewNodes(const State& state) {
  std::vector<scheduler::NodeView> nodes;
  for (const auto& [id, entry] : state.nodes) {
    if (entry.connected()) nodes.push_back(ViewNode(entry));
  }
  return nodes;
}

scheduler::Snapshot MakeSnapshot(const State& state, const Now& now) {
  scheduler::Snapshot snapshot{ViewNodes(state), state.shape_by_number, {}};
  snapshot.queue.reserve(state.queue.size());
  for (const QueueEntry& entry : state.queue) {
    if (!state.retry_at.empty()) {
      const auto retry = state.retry_at.find(entry.job->id());
      if (retry != state.retry_at.end() && retry->second > now.monotonic) continue;
    }
    snapshot.queue.push_back(ViewJob(entry));
  }
  return snapshot;
}

void OnScheduleDue(Transaction& tx) {
  scheduler::Plan plan = scheduler::MakePlan(MakeSnapshot(tx.state(), tx.now()));
  for (scheduler::Placement& placement : plan.placements) {
    if (StillHolds(tx, placement)) Start(tx, std::move(placement));
  }
  ExplainHead(tx);
}

domain::Reason Explain(const State& state, const Job& job, const Now& now) {
  if (job.state != domain::JobState::kPending) return job.reason;
  const auto retry = state.retry_at.find(job.id());
  if (retry != state.retry_at.end() && retry->second > now.monotonic) return job.reason;
  return scheduler::Explain(ViewNodes(state), ShapeFor(job.spec));
}

}  // namespace lathe::core
