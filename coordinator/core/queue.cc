#include "coordinator/core/queue.h"

#include "common/base/check.h"

namespace lathe::core {

bool QueueOrder::operator()(const QueueEntry& a, const QueueEntry& b) const {
  if (a.job->spec.priority != b.job->spec.priority) {
    return a.job->spec.priority > b.job->spec.priority;
  }
  if (a.job->created != b.job->created) return a.job->created < b.job->created;
  return a.job->id() < b.job->id();
}

void Enqueue(State& state, const domain::Job& job) {
  const bool added = state.queue.insert({&job, ShapeOf(state, job.spec)}).second;
  LATHE_CHECK(added, "a job is queued once: " + job.id().value());
}

void Dequeue(State& state, const domain::Job& job) {
  LATHE_CHECK(state.queue.erase({&job, 0}) == 1, "a pending job is queued: " + job.id().value());
  state.retry_at.erase(job.id());
}

scheduler::Shape ShapeFor(const domain::JobSpec& spec) {
  if (!spec.engine.empty()) return {spec.resources, "", spec.engine, {}};
  return {spec.resources, spec.base_model, "", spec.required_features};
}

std::uint32_t ShapeOf(State& state, const domain::JobSpec& spec) {
  const auto number = static_cast<std::uint32_t>(state.shape_by_number.size());
  const auto [entry, added] = state.shapes.try_emplace(ShapeFor(spec), number);
  if (added) state.shape_by_number.push_back(&entry->first);
  return entry->second;
}

}  // namespace lathe::core
