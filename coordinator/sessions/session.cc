#include "coordinator/sessions/session.h"

#include <utility>

#include "common/base/log.h"
#include "common/rpc/status.h"
#include "common/schema/features.h"
#include "coordinator/access/roles.h"

namespace lathe::sessions {
namespace {

Error WrongVersion(std::uint32_t version, const std::string& worker) {
  return Error{ErrorCode::kFailedPrecondition,
               "worker " + worker + " speaks protocol version " + std::to_string(version) +
                   ", this coordinator version " + std::to_string(kProtocolVersion) +
                   "; install the same release on both.",
               {}};
}

Error Overloaded() {
  return Error{
      ErrorCode::kUnavailable, "the coordinator is overloaded or stopping; come back.", {}};
}

}  // namespace

grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Session::Open(
    SessionHub& hub, std::optional<std::string> certificate_name) {
  auto session = std::make_shared<Session>(hub, std::move(certificate_name));
  session->self_ = session;
  session->ReadMore();
  return session.get();
}

Instant Session::last_heartbeat() const {
  const std::lock_guard lock(mutex_);
  return last_heartbeat_;
}

void Session::ReadMore() {
  const std::lock_guard lock(mutex_);
  if (reading_ || finished_ || deferred_.size() >= kMaxDeferred) return;
  reading_ = true;
  incoming_.Clear();
  StartRead(&incoming_);
}

void Session::OnReadDone(bool ok) {
  v1::WorkerMessage message;
  {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    if (ok) message.Swap(&incoming_);
  }
  if (!ok) {
    // The worker has closed its side, or the connection broke.
    Close(Error{ErrorCode::kCancelled, "the worker closed the stream", {}});
    return;
  }
  if (message.has_heartbeat()) {
    HandleHeartbeat(message.heartbeat());
  } else {
    const std::lock_guard lock(mutex_);
    deferred_.push_back(std::move(message));
  }
  Pump();
  ReadMore();
}

void Session::Pump() {
  while (true) {
    v1::WorkerMessage message;
    {
      const std::lock_guard lock(mutex_);
      // One thread at a time keeps the order; it looks again before it goes.
      if (pumping_ || appending_ || deferred_.empty() || closing_) return;
      pumping_ = true;
      message.Swap(&deferred_.front());
      deferred_.pop_front();
    }
    Handle(std::move(message));
    const std::lock_guard lock(mutex_);
    pumping_ = false;
  }
}

void Session::Handle(v1::WorkerMessage message) {
  bool registered = false;
  {
    const std::lock_guard lock(mutex_);
    registered = registered_;
  }
  if (message.has_registration() == registered) {
    Close(Error{ErrorCode::kInvalidArgument,
                "a stream begins with one registration, and has no second one.",
                {}});
    return;
  }
  switch (message.body_case()) {
    case v1::WorkerMessage::kRegistration:
      return HandleRegistration(message.registration());
    case v1::WorkerMessage::kAttemptReport:
      return HandleReport(message.attempt_report());
    case v1::WorkerMessage::kCheckpointReport:
      return HandleCheckpoint(message.checkpoint_report());
    case v1::WorkerMessage::kEventBatch:
      return HandleEvents(message.event_batch());
    case v1::WorkerMessage::kGenerateChunk:
      return hub_.generations().Deliver(id_, std::move(*message.mutable_generate_chunk()));
    case v1::WorkerMessage::kNodeFacts:
      return HandleFacts(message.node_facts());
    case v1::WorkerMessage::kHeartbeat:
    case v1::WorkerMessage::BODY_NOT_SET:
      return;  // a kind of message that only newer workers know
  }
}

void Session::HandleRegistration(const v1::Registration& registration) {
  if (registration.protocol_version() != kProtocolVersion) {
    return Close(WrongVersion(registration.protocol_version(), registration.node_id()));
  }
  auto description = ToDescription(registration);
  if (!description) return Close(description.error());
  if (certificate_name_) {
    const Status allowed = access::MayBeNode(*certificate_name_, registration.node_id());
    if (!allowed) return Close(allowed.error());
  }
  core::NodeRegistered event{id_, *description, {}};
  for (const auto& attempt : registration.attempts()) {
    auto report = ToReport(attempt);
    if (!report) return Close(report.error());
    event.attempts.push_back(std::move(*report));
  }
  {
    const std::lock_guard lock(mutex_);
    description_ = std::move(*description);
    combines_adapters_ = registration.combines_adapters();
    registered_ = true;
    last_heartbeat_ = hub_.clock().Now();
  }
  hub_.Register(shared_from_this());
  log::Info("node_registered", {{"node", registration.node_id()},
                                {"session", id_.value()},
                                {"attempts", registration.attempts_size()}});
  PostOrClose(std::move(event));
}

void Session::HandleHeartbeat(const v1::Heartbeat& heartbeat) {
  {
    const std::lock_guard lock(mutex_);
    if (!registered_ || closing_) return;
    last_heartbeat_ = hub_.clock().Now();
  }
  PostOrClose(core::HeartbeatReceived{id_, description_.id, heartbeat.sequence()});
}

void Session::HandleFacts(const v1::NodeFacts& facts) {
  hub_.facts().Update(description_.id, facts);
  if (!facts.has_trainer()) return;
  PostOrClose(core::TrainerTold{id_, description_.id, schema::LackedFeatures(facts.trainer())});
}

void Session::HandleReport(const v1::AttemptReport& message) {
  auto report = ToReport(message);
  if (!report) return Close(report.error());
  PostOrClose(core::AttemptReported{id_, description_.id, std::move(*report)});
}

void Session::HandleCheckpoint(const v1::CheckpointReport& message) {
  auto checkpoint = ToCheckpoint(message);
  if (!checkpoint) return Close(checkpoint.error());
  const domain::AttemptKey key{domain::JobId(message.job_id()),
                               domain::AttemptNumber(message.attempt())};
  PostOrClose(core::CheckpointStored{id_, description_.id, key, std::move(*checkpoint)});
}

void Session::HandleEvents(const v1::EventBatch& batch) {
  auto read = ReadEventBatch(batch, hub_.clock().Now());
  if (!read) return Close(read.error());
  if (read->batch.events.empty()) return;
  v1::EventAck ack;
  ack.set_job_id(batch.job_id());
  ack.set_attempt(batch.attempt());
  ack.set_sequence(read->batch.events.back().sequence);
  {
    const std::lock_guard lock(mutex_);
    appending_ = true;
  }
  const bool taken = hub_.Append(
      std::move(*read),
      [self = shared_from_this(), ack](const Status& status) { self->EventsDone(ack, status); });
  if (!taken) Close(Overloaded());
}

void Session::EventsDone(const v1::EventAck& ack, const Status& status) {
  {
    const std::lock_guard lock(mutex_);
    appending_ = false;
  }
  if (!status) return Close(status.error());
  v1::CoordinatorMessage message;
  *message.mutable_event_ack() = ack;
  Send(std::move(message));
  Pump();
  ReadMore();
}

void Session::PostOrClose(core::Event event) {
  if (!hub_.Post(std::move(event))) Close(Overloaded());
}

void Session::Send(v1::CoordinatorMessage message) {
  bool overflow = false;
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    overflow = outgoing_.size() >= kMaxOutgoing;
    if (!overflow) outgoing_.push_back(std::move(message));
    if (!writing_ && !overflow) WriteMore();
  }
  if (overflow) {
    Close(Error{ErrorCode::kResourceExhausted, "the worker does not read its messages.", {}});
  }
}

// Under the lock. The message stays at the front until gRPC is done with it.
void Session::WriteMore() {
  writing_ = true;
  StartWrite(&outgoing_.front());
}

void Session::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  outgoing_.pop_front();
  if (!ok) outgoing_.clear();
  if (closing_) {
    FinishWhenIdle();
  } else if (!outgoing_.empty()) {
    WriteMore();
  }
}

void Session::Close(const Error& error) {
  std::optional<domain::NodeId> node;
  {
    const std::lock_guard lock(mutex_);
    if (closing_) return;
    closing_ = error;
    if (registered_) node = description_.id;
    deferred_.clear();
    FinishWhenIdle();
  }
  log::Info(
      "session_closed",
      {{"node", node ? node->value() : ""}, {"session", id_.value()}, {"reason", error.message}});
  hub_.generations().FailAll(id_);
  if (!node) return;
  hub_.Remove(id_, *node);
  hub_.Post(core::NodeDisconnected{id_, *node});
}

// Under the lock.
void Session::FinishWhenIdle() {
  if (writing_ || finished_) return;
  finished_ = true;
  Finish(rpc::ToStatus(*closing_));
}

void Session::OnDone() {
  // Ends what is left when gRPC cancelled the call by itself.
  Close(Error{ErrorCode::kCancelled, "the stream is over", {}});
  const SessionPtr last = std::move(self_);
}

}  // namespace lathe::sessions
