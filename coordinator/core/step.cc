#include "coordinator/core/step.h"

#include <utility>

#include "coordinator/core/handlers.h"

namespace lathe::core {
namespace {

/// What the nodes said while this coordinator was away still waits in its queue: its own absence
/// must not cost them their leases. Waiting longer than needed is always safe.
void ForgiveOwnAbsence(State& state, const Now& now) {
  const Duration pause = now.monotonic - state.last_step;
  state.last_step = now.monotonic;
  if (pause <= state.settings.longest_pause) return;
  for (auto& [id, entry] : state.nodes) entry.lease.until += pause;
}

struct Dispatch {
  Transaction& tx;
  void operator()(JobSubmitted& e) { OnJobSubmitted(tx, e); }
  void operator()(const CancelRequested& e) { OnCancelRequested(tx, e); }
  void operator()(NodeRegistered& e) { OnNodeRegistered(tx, e); }
  void operator()(const HeartbeatReceived& e) { OnHeartbeatReceived(tx, e); }
  void operator()(const NodeDisconnected& e) { OnNodeDisconnected(tx, e); }
  void operator()(TrainerTold& e) { OnTrainerTold(tx, e); }
  void operator()(const AttemptReported& e) { OnAttemptReported(tx, e); }
  void operator()(const CheckpointStored& e) { OnCheckpointStored(tx, e); }
  void operator()(RemoteReported& e) { OnRemoteReported(tx, e); }
  void operator()(const EventsStored& e) { OnEventsStored(tx, e); }
  void operator()(const Ticked&) { OnTicked(tx); }
  void operator()(const ScheduleDue&) { OnScheduleDue(tx); }
};

}  // namespace

Outcome Step(State& state, Event event, const Now& now) {
  ForgiveOwnAbsence(state, now);
  Transaction tx(state, now);
  std::visit(Dispatch{tx}, event);
  return tx.Finish();
}

}  // namespace lathe::core
