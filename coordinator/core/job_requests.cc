// What users ask for: submissions and cancellations.

#include <utility>

#include "coordinator/core/attempts.h"
#include "coordinator/core/handlers.h"

namespace lathe::core {
namespace {

using domain::JobState;
using domain::ReasonCode;

/// The job that this request id already made; null when the id is new or long forgotten.
const domain::Job* FindRequest(Transaction& tx, const domain::JobSpec& spec) {
  if (spec.request_id.empty()) return nullptr;
  const auto known = tx.state().requests.find(RequestKey(spec));
  if (known == tx.state().requests.end()) return nullptr;
  const domain::Job* job = tx.Find(known->second);
  const Duration age = tx.now().wall - job->created;
  return age < tx.state().settings.request_id_lifetime ? job : nullptr;
}

Result<domain::Job> Repeated(const domain::Job& job, const domain::JobSpec& spec) {
  if (job.spec.payload_hash == spec.payload_hash) return job;
  return Failure(ErrorCode::kAlreadyExists,
                 "request id " + spec.request_id + " made job " + job.id().value() +
                     " from another request; use a new request id for a new job");
}

}  // namespace

void OnJobSubmitted(Transaction& tx, JobSubmitted& event) {
  if (const domain::Job* known = FindRequest(tx, event.spec)) {
    return tx.Reply(event.ticket, Repeated(*known, event.spec));
  }
  if (tx.Find(event.spec.id) != nullptr) {
    return tx.Reply(event.ticket, Failure(ErrorCode::kAborted, "job id " + event.spec.id.value() +
                                                                   " is taken; draw another one"));
  }
  const domain::JobId id = event.spec.id;
  domain::Job job;
  job.spec = std::move(event.spec);
  job.created = tx.now().wall;
  tx.Add(std::move(job), std::move(event.configuration));
  if (event.used) tx.CountUse(std::move(*event.used));
  tx.Reply(event.ticket, *tx.Find(id));
}

void OnCancelRequested(Transaction& tx, const CancelRequested& event) {
  const domain::Job* job = tx.Find(event.job);
  if (job == nullptr) {
    return tx.Reply(event.ticket,
                    Failure(ErrorCode::kNotFound, "job " + event.job.value() + " does not exist"));
  }
  if (job->state == JobState::kSucceeded || job->state == JobState::kFailed) {
    return tx.Reply(event.ticket,
                    Failure(ErrorCode::kFailedPrecondition,
                            "job " + event.job.value() + " has already " +
                                std::string(ToString(job->state)) + "; it can't be cancelled"));
  }
  if (job->state != JobState::kCancelled && !job->cancel_requested) {
    domain::Job& changed = tx.Change(event.job);
    changed.cancel_requested = true;
    changed.cancel_reason = event.reason;
    if (IsLive(changed.state)) {
      changed.reason = CancellingReason(changed);
      tx.Send(tx.state().nodes.at(changed.node), StopAttempt{changed.key(), StopMode::kCheckpoint});
    } else {
      CompleteCancel(tx, event.job);
    }
  }
  tx.Reply(event.ticket, *tx.Find(event.job));
}

}  // namespace lathe::core
