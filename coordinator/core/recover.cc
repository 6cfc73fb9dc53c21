#include <utility>

#include "coordinator/core/queue.h"
#include "coordinator/core/state.h"

namespace lathe::core {
namespace {

void Hold(State& state, const domain::Job& job) {
  NodeEntry& node = state.nodes[job.node];
  node.jobs.insert(job.id());
  node.gpus_in_use.insert(job.gpus.begin(), job.gpus.end());
  node.cpu_slots_in_use += job.spec.resources.cpu_slots;
}

/// A request id may have been used again after its lifetime: the newest job has it.
void IndexRequest(State& state, const domain::Job& job) {
  if (job.spec.request_id.empty()) return;
  const auto [entry, added] = state.requests.try_emplace(RequestKey(job.spec), job.id());
  if (!added && state.jobs.at(entry->second).created < job.created) entry->second = job.id();
}

}  // namespace

State Recover(const Settings& settings, Records records, const Now& now) {
  State state;
  state.settings = settings;
  state.last_step = now.monotonic;
  for (domain::Node& record : records.nodes) {
    const domain::NodeId id = record.id();
    NodeEntry& entry = state.nodes[id];
    entry.last_heard = record.last_seen;
    entry.lease = domain::Lease::From(now.monotonic, settings.lease);
    entry.node = std::move(record);
  }
  for (domain::Job& record : records.jobs) {
    const domain::JobId id = record.id();
    const domain::Job& job = state.jobs.emplace(id, std::move(record)).first->second;
    state.configurations.insert(job.spec.configuration_hash);
    if (job.state == domain::JobState::kPending) Enqueue(state, job);
    if (IsLive(job.state)) Hold(state, job);
    IndexRequest(state, job);
  }
  return state;
}

std::string RequestKey(const domain::JobSpec& spec) {
  return spec.owner + '\n' + spec.request_id;
}

}  // namespace lathe::core
