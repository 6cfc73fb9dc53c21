#include "coordinator/core/attempts.h"

#include <algorithm>
#include <utility>

#include "coordinator/core/handlers.h"

namespace lathe::core {
namespace {

using domain::AttemptPhase;
using domain::FailureClass;
using domain::Job;
using domain::JobState;
using domain::ReasonCode;

/// The trainer's own words, with what it found.
std::string Words(const domain::AttemptReport& report) {
  std::string text = report.message.empty() ? "no message" : report.message;
  for (const Finding& finding : report.findings) {
    text += "; " + finding.path + ": " + finding.message;
  }
  return text;
}

/// A further checkpoint is progress: the faults before it no longer count.
void KeepCheckpoint(Transaction& tx, const domain::JobId& id, const domain::Checkpoint& newer) {
  if (newer.step <= tx.Find(id)->checkpoint.step) return;
  Job& job = tx.Change(id);
  job.checkpoint = newer;
  job.faults = 0;
  job.fault_node = {};
}

void OnStarted(Transaction& tx, const domain::JobId& id) {
  if (tx.Find(id)->state != JobState::kStarting) return;
  const bool cancelling = tx.Find(id)->cancel_requested;
  Job& job = tx.ChangeState(id, Trigger::kTrainerStarted,
                            {cancelling ? ReasonCode::kCancelling : ReasonCode::kTraining, ""});
  if (!job.started) job.started = tx.now().wall;
}

void OnSucceeded(Transaction& tx, const domain::JobId& id, const domain::AttemptReport& report) {
  const bool at_engine = !tx.Find(id)->spec.engine.empty();
  Job& job = tx.ChangeState(id, Trigger::kSucceeded,
                            {ReasonCode::kSucceeded, at_engine ? report.message : ""});
  job.adapter = report.adapter;
}

void FailForGood(Transaction& tx, const domain::JobId& id, domain::Reason reason,
                 FailureClass failure_class) {
  tx.ChangeState(id, Trigger::kFailed, std::move(reason));
  tx.Classify(failure_class);
}

void OnFault(Transaction& tx, const domain::JobId& id, const domain::AttemptReport& report) {
  Job& job = tx.Change(id);
  ++job.faults;
  job.fault_node = job.node;
  const std::string times = std::to_string(job.faults);
  if (job.faults >= tx.state().settings.max_attempts) {
    return FailForGood(tx, id,
                       {ReasonCode::kTooManyFaults,
                        "Failed " + times + " times without getting any further: " + Words(report)},
                       FailureClass::kFault);
  }
  tx.ChangeState(
      id, Trigger::kFaulted,
      {ReasonCode::kWaitingForRetry,
       "Waits a moment before it is tried again; the last try failed: " + Words(report)});
  tx.Classify(FailureClass::kFault);
  tx.state().retry_at[id] =
      tx.now().monotonic + RetryDelay(tx.state().settings, tx.Find(id)->faults);
}

void OnFailed(Transaction& tx, const domain::JobId& id, const domain::AttemptReport& report) {
  switch (report.failure_class) {
    case FailureClass::kUser:
      return FailForGood(tx, id, {ReasonCode::kUserError, Words(report)}, FailureClass::kUser);
    case FailureClass::kOutOfMemory:
      return FailForGood(
          tx, id,
          {ReasonCode::kOutOfMemory, "Ran out of memory (" + Words(report) +
                                         "); a smaller micro-batch, shorter sequences or gradient "
                                         "checkpointing need less."},
          FailureClass::kOutOfMemory);
    case FailureClass::kNone:
    case FailureClass::kFault:
      return OnFault(tx, id, report);
  }
}

void OnEnded(Transaction& tx, const domain::JobId& id, const domain::AttemptReport& report) {
  KeepCheckpoint(tx, id, report.checkpoint);
  // A success that crosses a cancellation is a success: the work is done and stored.
  if (report.phase == AttemptPhase::kSucceeded) return OnSucceeded(tx, id, report);
  if (tx.Find(id)->cancel_requested) {
    // What an engine is left with is said; a trainer's last words are of no use.
    const bool at_engine = !tx.Find(id)->spec.engine.empty();
    return CompleteCancel(tx, id, at_engine ? report.message : "");
  }
  if (report.phase == AttemptPhase::kFailed) return OnFailed(tx, id, report);
  if (!tx.Find(id)->spec.engine.empty()) {
    // Nobody here asked for it: somebody has cancelled it at the engine. It can't go on from there.
    tx.ChangeState(id, Trigger::kCancelled, {ReasonCode::kCancelled, report.message});
    return;
  }
  tx.ChangeState(id, Trigger::kInterrupted, {ReasonCode::kInterrupted, ""});
}

domain::Reason ReasonAtEngine(const Job& job, const RemoteReported& event) {
  if (job.cancel_requested) {
    return event.away ? domain::Reason{ReasonCode::kCancelling, event.detail}
                      : CancellingReason(job);
  }
  if (event.away) return {ReasonCode::kEngineAway, event.detail};
  const bool starting = job.state == JobState::kStarting;
  return {starting ? ReasonCode::kAssigned : ReasonCode::kTraining, event.detail};
}

/// A stale trainer is of no use; but while its job waits, its checkpoint and folder are.
StopMode ModeForStale(const Job* job) {
  const bool waits = job != nullptr && job->state == JobState::kPending;
  return waits ? StopMode::kCheckpoint : StopMode::kDiscard;
}

}  // namespace

bool IsCurrent(const Job* job, const domain::AttemptKey& key, const domain::NodeId& node) {
  return job != nullptr && IsLive(job->state) && job->attempt == key.attempt && job->node == node;
}

StartAttempt OrderFor(const Job& job) {
  return {job.attempt, job.spec, job.checkpoint, job.gpus, job.remote};
}

void HandleReport(Transaction& tx, const NodeEntry& node, const domain::AttemptReport& report) {
  const Job* job = tx.Find(report.key.job);
  const bool current = IsCurrent(job, report.key, node.node.id());
  const bool started = report.phase == AttemptPhase::kStarted;
  if (current && started) OnStarted(tx, report.key.job);
  if (current && !started) OnEnded(tx, report.key.job, report);
  tx.Send(node, AcknowledgeReport{report.key, report.phase});
  if (!current && started) tx.Send(node, StopAttempt{report.key, ModeForStale(job)});
}

void LoseAttempt(Transaction& tx, const domain::JobId& id, domain::Reason reason) {
  if (tx.Find(id)->cancel_requested) return CompleteCancel(tx, id);
  // Not counted as a fault: nothing says that the job had a part in it.
  tx.ChangeState(id, Trigger::kAttemptLost, std::move(reason));
}

domain::Reason CancellingReason(const Job& job) {
  if (job.spec.engine.empty()) return {ReasonCode::kCancelling, ""};
  return {ReasonCode::kCancelling, "Is being cancelled; waits for the engine " + job.spec.engine +
                                       " to end it, where it was started."};
}

void CompleteCancel(Transaction& tx, const domain::JobId& id, const std::string& detail) {
  const std::string& words = tx.Find(id)->cancel_reason;
  std::string sentence = words.empty() ? "" : "Cancelled: " + words;
  if (!detail.empty()) sentence = (words.empty() ? "Cancelled. " : sentence + ". ") + detail;
  tx.ChangeState(id, Trigger::kCancelled, {ReasonCode::kCancelled, std::move(sentence)});
}

Duration RetryDelay(const Settings& settings, std::uint32_t faults) {
  Duration delay = settings.retry_delay;
  for (std::uint32_t i = 1; i < faults && delay < settings.longest_retry_delay; ++i) delay *= 2;
  return std::min(delay, settings.longest_retry_delay);
}

void OnAttemptReported(Transaction& tx, const AttemptReported& event) {
  const auto node = tx.state().nodes.find(event.node);
  // A stream that is over: the worker says it again on its next one.
  if (node == tx.state().nodes.end() || node->second.session != event.session) return;
  HandleReport(tx, node->second, event.report);
}

void OnCheckpointStored(Transaction& tx, const CheckpointStored& event) {
  if (!IsCurrent(tx.Find(event.attempt.job), event.attempt, event.node)) return;
  KeepCheckpoint(tx, event.attempt.job, event.checkpoint);
}

void OnRemoteReported(Transaction& tx, RemoteReported& event) {
  const domain::JobId& id = event.attempt.job;
  const Job* job = tx.Find(id);
  if (!IsCurrent(job, event.attempt, event.node)) {
    return tx.Reply(event.ticket,
                    Failure(ErrorCode::kAborted, "this attempt of job " + id.value() + " is over"));
  }
  domain::Reason reason = ReasonAtEngine(*job, event);
  if (job->remote != event.remote || job->reason != reason) {
    Job& changed = tx.Change(id);
    changed.remote = std::move(event.remote);
    changed.reason = std::move(reason);
  }
  tx.Reply(event.ticket, *tx.Find(id));
}

void OnEventsStored(Transaction& tx, const EventsStored& event) {
  const Job* job = tx.Find(event.attempt.job);
  if (job == nullptr || job->attempt != event.attempt.attempt) return;
  domain::Progress progress = job->progress;
  Apply(progress, event.progress);
  if (progress == job->progress) return;
  tx.Change(event.attempt.job).progress = std::move(progress);
}

}  // namespace lathe::core
