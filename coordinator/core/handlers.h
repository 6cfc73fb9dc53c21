#pragma once
// One handler an event, named after it. Step dispatches; each handler lies in the file of its
// topic: job_requests.cc, node_sessions.cc, attempts.cc, scheduling.cc.

#include "coordinator/core/events.h"
#include "coordinator/core/transaction.h"

namespace lathe::core {

void OnJobSubmitted(Transaction& tx, JobSubmitted& event);
void OnCancelRequested(Transaction& tx, const CancelRequested& event);
void OnNodeRegistered(Transaction& tx, NodeRegistered& event);
void OnHeartbeatReceived(Transaction& tx, const HeartbeatReceived& event);
void OnNodeDisconnected(Transaction& tx, const NodeDisconnected& event);
void OnTrainerTold(Transaction& tx, TrainerTold& event);
void OnAttemptReported(Transaction& tx, const AttemptReported& event);
void OnCheckpointStored(Transaction& tx, const CheckpointStored& event);
void OnRemoteReported(Transaction& tx, RemoteReported& event);
void OnEventsStored(Transaction& tx, const EventsStored& event);
void OnTicked(Transaction& tx);
void OnScheduleDue(Transaction& tx);

}  // namespace lathe::core
