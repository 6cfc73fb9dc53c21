#include <map>
#include <set>

#include "coordinator/core/state.h"

namespace lathe::core {
namespace {

using domain::Job;
using domain::JobState;
using domain::ReasonCode;
using Findings = std::vector<std::string>;

struct Usage {
  std::set<domain::JobId> jobs;
  std::set<std::uint32_t> gpus;
  std::uint32_t cpu_slots = 0;
};

bool ReasonFits(const Job& job) {
  const ReasonCode code = job.reason.code;
  if (IsFinal(job.state)) return code >= ReasonCode::kSucceeded;
  if (IsLive(job.state)) return code >= ReasonCode::kAssigned && code < ReasonCode::kSucceeded;
  return code < ReasonCode::kAssigned;
}

void CheckJob(const Job& job, Findings& broken) {
  const std::string name =
      "job " + job.id().value() + " (" + std::string(ToString(job.state)) + ")";
  if (!ReasonFits(job))
    broken.push_back(name + " has reason " + std::string(ToString(job.reason.code)));
  if (IsFinal(job.state) != job.ended.has_value()) broken.push_back(name + " and its end disagree");
  if (IsLive(job.state) && job.attempt == domain::AttemptNumber{}) {
    broken.push_back(name + " is live without an attempt");
  }
  if (!IsLive(job.state) && !job.gpus.empty()) broken.push_back(name + " still holds GPUs");
  if (job.state == JobState::kPending && job.cancel_requested) {
    broken.push_back(name + " waits although it is cancelled");
  }
  if (IsLive(job.state) && job.gpus.size() != job.spec.resources.gpus) {
    broken.push_back(name + " does not hold the GPUs that it asked for");
  }
}

void Count(const Job& job, std::map<domain::NodeId, Usage>& usages, Findings& broken) {
  Usage& usage = usages[job.node];
  usage.jobs.insert(job.id());
  usage.cpu_slots += job.spec.resources.cpu_slots;
  for (const std::uint32_t gpu : job.gpus) {
    if (!usage.gpus.insert(gpu).second) {
      broken.push_back("GPU " + std::to_string(gpu) + " of " + job.node.value() +
                       " is given twice, also to " + job.id().value());
    }
  }
}

void CheckNode(const NodeEntry& entry, const Usage& usage, Findings& broken) {
  const std::string name = "node " + entry.node.id().value();
  if (entry.jobs != usage.jobs) broken.push_back(name + ": its jobs are not those placed on it");
  if (entry.gpus_in_use != usage.gpus)
    broken.push_back(name + ": GPU usage is not that of its jobs");
  if (entry.cpu_slots_in_use != usage.cpu_slots) {
    broken.push_back(name + ": slot usage is not that of its jobs");
  }
  const bool lost = entry.node.state == domain::NodeState::kLost;
  if (lost && !usage.jobs.empty()) broken.push_back(name + " is lost and holds jobs");
  if (lost && entry.connected()) broken.push_back(name + " is lost and connected");
}

void CheckEngines(const State& state, Findings& broken) {
  for (const auto& [id, entry] : state.nodes) {
    for (const domain::JobId& job : entry.jobs) {
      if (state.jobs.at(job).spec.engine == entry.node.description.engine) continue;
      broken.push_back("job " + job.value() + " is on " + id.value() + ", which is not its engine");
    }
  }
}

void CheckQueue(const State& state, std::size_t pending, Findings& broken) {
  if (state.queue.size() != pending) broken.push_back("the queue is not the pending jobs");
  for (const QueueEntry& entry : state.queue) {
    if (entry.job->state != JobState::kPending) {
      broken.push_back("job " + entry.job->id().value() + " is queued and not pending");
    }
  }
  for (const auto& [id, when] : state.retry_at) {
    const auto job = state.jobs.find(id);
    if (job == state.jobs.end() || job->second.state != JobState::kPending) {
      broken.push_back("job " + id.value() + " backs off and is not pending");
    }
  }
}

}  // namespace

std::vector<std::string> CheckInvariants(const State& state) {
  Findings broken;
  std::map<domain::NodeId, Usage> usages;
  std::size_t pending = 0;
  for (const auto& [id, job] : state.jobs) {
    CheckJob(job, broken);
    if (job.state == JobState::kPending) ++pending;
    if (IsLive(job.state)) Count(job, usages, broken);
  }
  for (const auto& [id, usage] : usages) {
    if (!state.nodes.contains(id)) broken.push_back("jobs run on unknown node " + id.value());
  }
  for (const auto& [id, entry] : state.nodes) CheckNode(entry, usages[id], broken);
  CheckEngines(state, broken);
  CheckQueue(state, pending, broken);
  return broken;
}

}  // namespace lathe::core
