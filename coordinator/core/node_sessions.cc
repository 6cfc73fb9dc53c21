// Nodes come, are heard, and go.

#include <algorithm>
#include <set>
#include <utility>

#include "coordinator/core/attempts.h"
#include "coordinator/core/handlers.h"

namespace lathe::core {
namespace {

using domain::Job;
using domain::JobId;
using domain::NodeState;
using domain::ReasonCode;

NodeEntry* FindSession(Transaction& tx, const domain::NodeId& node, domain::SessionId session) {
  const auto found = tx.state().nodes.find(node);
  if (found == tx.state().nodes.end() || found->second.session != session) return nullptr;
  return &found->second;
}

void Hear(Transaction& tx, NodeEntry& entry) {
  entry.last_heard = tx.now().wall;
  entry.lease = domain::Lease::From(tx.now().monotonic, tx.state().settings.lease);
}

void Describe(Transaction& tx, NodeEntry& entry, domain::NodeDescription description) {
  std::sort(description.models.begin(), description.models.end());
  entry.node.description = std::move(description);
  domain::Node& node = tx.Change(entry);
  node.state = NodeState::kReady;
  node.reason = "Connected.";
}

/// What the node has is settled report by report; what it should have and does not is lost.
void Reconcile(Transaction& tx, NodeEntry& entry,
               const std::vector<domain::AttemptReport>& attempts) {
  std::set<JobId> present;
  for (const domain::AttemptReport& report : attempts) {
    const Job* job = tx.Find(report.key.job);
    if (IsCurrent(job, report.key, entry.node.id())) {
      present.insert(report.key.job);
      // The command to stop may have been lost with the older stream.
      if (job->cancel_requested && report.phase == domain::AttemptPhase::kStarted) {
        tx.Send(entry, StopAttempt{report.key, StopMode::kCheckpoint});
      }
    }
    HandleReport(tx, entry, report);
  }
  const std::set<JobId> expected = entry.jobs;
  for (const JobId& id : expected) {
    if (!present.contains(id)) LoseAttempt(tx, id, {ReasonCode::kAttemptLost, ""});
  }
}

/// The jobs of an engine go on whether or not anybody here looks: none is lost with a session, and
/// each is followed by the next one.
void HandOver(Transaction& tx, const NodeEntry& entry) {
  for (const JobId& id : entry.jobs) {
    const Job& job = *tx.Find(id);
    tx.Send(entry, OrderFor(job));
    if (job.cancel_requested) tx.Send(entry, StopAttempt{job.key(), StopMode::kCheckpoint});
  }
}

bool IsMachine(const NodeEntry& entry) {
  return entry.node.description.engine.empty();
}

void LoseNode(Transaction& tx, NodeEntry& entry) {
  domain::Node& node = tx.Change(entry);
  node.state = NodeState::kLost;
  node.reason = "Not heard for longer than its lease; its jobs go elsewhere.";
  tx.Close(entry, "the lease is over; register again");
  entry.session = {};
  const std::set<JobId> jobs = entry.jobs;
  for (const JobId& id : jobs) LoseAttempt(tx, id, {ReasonCode::kNodeLost, ""});
}

}  // namespace

void OnNodeRegistered(Transaction& tx, NodeRegistered& event) {
  NodeEntry& entry = tx.state().nodes[event.description.id];
  tx.Close(entry, "a newer stream of this node has begun");
  entry.session = event.session;
  entry.lacks.reset();
  Hear(tx, entry);
  Describe(tx, entry, std::move(event.description));
  tx.Send(entry, Welcome{});
  if (IsMachine(entry)) {
    Reconcile(tx, entry, event.attempts);
  } else {
    HandOver(tx, entry);
  }
  tx.RequestSchedule();
}

void OnHeartbeatReceived(Transaction& tx, const HeartbeatReceived& event) {
  NodeEntry* entry = FindSession(tx, event.node, event.session);
  if (entry == nullptr) return;
  Hear(tx, *entry);
  tx.Send(*entry, AcknowledgeHeartbeat{event.sequence});
}

void OnTrainerTold(Transaction& tx, TrainerTold& event) {
  NodeEntry* entry = FindSession(tx, event.node, event.session);
  if (entry == nullptr || entry->lacks == event.lacks) return;
  entry->lacks = std::move(event.lacks);
  tx.RequestSchedule();
}

void OnNodeDisconnected(Transaction& tx, const NodeDisconnected& event) {
  NodeEntry* entry = FindSession(tx, event.node, event.session);
  if (entry == nullptr) return;
  entry->session = {};
  tx.Change(*entry).reason = "Its stream ended; it keeps its jobs until its lease is over.";
}

void OnTicked(Transaction& tx) {
  State& state = tx.state();
  const MonotonicInstant now = tx.now().monotonic;
  for (auto& [id, entry] : state.nodes) {
    const bool leased = IsMachine(entry) && entry.node.state == NodeState::kReady;
    if (leased && entry.lease.OverAt(now)) LoseNode(tx, entry);
  }
  for (auto retry = state.retry_at.begin(); retry != state.retry_at.end();) {
    if (retry->second > now) {
      ++retry;
      continue;
    }
    tx.Change(retry->first).reason = {ReasonCode::kQueued, ""};
    retry = state.retry_at.erase(retry);
    tx.RequestSchedule();
  }
}

}  // namespace lathe::core
