#include "coordinator/core/transaction.h"

#include <optional>
#include <utility>

#include "common/base/check.h"
#include "coordinator/core/queue.h"

namespace lathe::core {
namespace {

using domain::IsFinal;
using domain::IsLive;
using domain::JobState;

/// Where the coordinator's entry about a change lies in the job's stream: before the attempt's own
/// events, or behind all of them. A trainer's start is told by the trainer itself.
std::optional<EventId> StreamPlace(const domain::Job& job, JobState from, Trigger trigger) {
  const std::uint32_t attempt = job.attempt.value();
  if (trigger == Trigger::kSubmitted) return EventId{0, 1};
  if (trigger == Trigger::kAssigned) return EventId{attempt, 0};
  if (IsLive(from) && !IsLive(job.state)) return EventId{attempt, EventId::kSeal};
  if (from == JobState::kPending) return attempt == 0 ? EventId{0, 2} : EventId{attempt + 1, 0};
  return std::nullopt;
}

}  // namespace

const domain::Job* Transaction::Find(const domain::JobId& id) const {
  const auto found = state_.jobs.find(id);
  return found == state_.jobs.end() ? nullptr : &found->second;
}

void Transaction::Add(domain::Job job, std::string configuration) {
  const domain::JobId id = job.id();
  if (state_.configurations.insert(job.spec.configuration_hash).second) {
    outcome_.commit.configurations.push_back(
        {job.spec.configuration_hash, std::move(configuration)});
  }
  if (!job.spec.request_id.empty()) state_.requests[RequestKey(job.spec)] = id;
  const auto [entry, added] = state_.jobs.emplace(id, std::move(job));
  LATHE_CHECK(added, "a new job has a new id: " + id.value());
  Enqueue(state_, entry->second);
  RecordChange(Change(id), JobState::kPending, Trigger::kSubmitted);
  RequestSchedule();
}

domain::Job& Transaction::Change(const domain::JobId& id) {
  domain::Job& job = state_.jobs.at(id);
  if (jobs_.insert(id).second) ++job.revision;
  return job;
}

domain::Job& Transaction::ChangeState(const domain::JobId& id, Trigger trigger,
                                      domain::Reason reason) {
  domain::Job& job = Change(id);
  const JobState from = job.state;
  const auto to = NextState(from, trigger);
  LATHE_CHECK(to.has_value(), "job " + id.value() + " is " + std::string(ToString(from)) +
                                  ": illegal " + std::string(ToString(trigger)));
  if (from == JobState::kPending) Dequeue(state_, job);
  if (IsLive(from) && !IsLive(*to)) ReleaseResources(job);
  job.state = *to;
  job.reason = std::move(reason);
  if (job.state == JobState::kPending) Enqueue(state_, job);
  if (IsFinal(job.state)) job.ended = now_.wall;
  RecordChange(job, from, trigger);
  return job;
}

domain::Job& Transaction::Assign(const domain::JobId& id, NodeEntry& node,
                                 std::vector<std::uint32_t> gpus) {
  domain::Job& job = Change(id);
  job.attempt = domain::AttemptNumber(job.attempt.value() + 1);
  job.node = node.node.id();
  job.gpus = std::move(gpus);
  RestartPace(job.progress);
  node.jobs.insert(id);
  node.gpus_in_use.insert(job.gpus.begin(), job.gpus.end());
  node.cpu_slots_in_use += job.spec.resources.cpu_slots;
  std::string detail;
  if (!job.spec.engine.empty()) detail = node.node.description.hostname + " is about to get it.";
  return ChangeState(id, Trigger::kAssigned, {domain::ReasonCode::kAssigned, std::move(detail)});
}

void Transaction::ReleaseResources(domain::Job& job) {
  NodeEntry& node = state_.nodes.at(job.node);
  node.jobs.erase(job.id());
  for (const std::uint32_t gpu : job.gpus) node.gpus_in_use.erase(gpu);
  node.cpu_slots_in_use -= job.spec.resources.cpu_slots;
  job.gpus.clear();
  RequestSchedule();
}

void Transaction::RecordChange(const domain::Job& job, JobState from, Trigger trigger) {
  Commit& commit = outcome_.commit;
  commit.transitions.push_back({job.id(), job.attempt, from, job.state, trigger});
  if (const auto place = StreamPlace(job, from, trigger)) {
    commit.state_events.push_back({job.id(), *place, now_.wall, job.state, job.reason});
  }
}

domain::Node& Transaction::Change(NodeEntry& entry) {
  if (nodes_.insert(entry.node.id()).second) ++entry.node.revision;
  entry.node.last_seen = entry.last_heard;
  return entry.node;
}

void Transaction::CountUse(UsedResource used) {
  outcome_.commit.uses.push_back({std::move(used.kind), std::move(used.key), now_.wall});
}

void Transaction::Classify(domain::FailureClass failure_class) {
  outcome_.commit.transitions.back().failure_class = failure_class;
}

void Transaction::Send(const NodeEntry& node, NodeCommand command) {
  if (!node.connected()) return;
  outcome_.after_commit.emplace_back(SendToNode{node.session, node.node.id(), std::move(command)});
}

void Transaction::Reply(Ticket ticket, Result<domain::Job> result) {
  outcome_.after_commit.emplace_back(core::Reply{ticket, std::move(result)});
}

void Transaction::Close(const NodeEntry& node, std::string reason) {
  if (!node.connected()) return;
  outcome_.after_commit.emplace_back(CloseSession{node.session, node.node.id(), std::move(reason)});
}

Outcome Transaction::Finish() {
  Commit& commit = outcome_.commit;
  for (const domain::JobId& id : jobs_) commit.jobs.push_back(state_.jobs.at(id));
  for (const domain::NodeId& id : nodes_) commit.nodes.push_back(state_.nodes.at(id).node);
  if (!commit.jobs.empty() || !commit.nodes.empty()) commit.sequence = ++state_.last_commit;
  if (schedule_) outcome_.after_commit.emplace_back(core::RequestSchedule{});
  return std::move(outcome_);
}

}  // namespace lathe::core
