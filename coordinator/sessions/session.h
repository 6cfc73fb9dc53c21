#pragma once
// One worker's stream, on gRPC's callback threads. Messages are handled in order, except that
// heartbeats pass those that wait for the store: a slow disk must not cost a node its lease.
// Both directions are bounded: reading stops while kMaxDeferred messages wait, and a worker that
// does not read its kMaxOutgoing messages loses the stream.
//
// It keeps itself alive until gRPC is done with it. Thread-safe.

#include <grpcpp/support/server_callback.h>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "coordinator/sessions/session_hub.h"
#include "lathe/v1/worker_service.pb.h"

namespace lathe::sessions {

class Session final : public grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>,
                      public std::enable_shared_from_this<Session> {
 public:
  static constexpr std::size_t kMaxDeferred = 64;
  static constexpr std::size_t kMaxOutgoing = 4096;

  /// Begins to read. gRPC owns the stream from here on. The worker may be the node alone that its
  /// certificate names; nullopt: none was asked for, it may be any.
  static grpc::ServerBidiReactor<v1::WorkerMessage, v1::CoordinatorMessage>* Open(
      SessionHub& hub, std::optional<std::string> certificate_name);

  Session(SessionHub& hub, std::optional<std::string> certificate_name)
      : hub_(hub), certificate_name_(std::move(certificate_name)), id_(hub.DrawSession()) {}

  domain::SessionId id() const { return id_; }
  /// Fixed once registered.
  const domain::NodeDescription& description() const { return description_; }
  /// Whether the worker knows compositions of adapters. Fixed once registered.
  bool combines_adapters() const { return combines_adapters_; }
  Instant last_heartbeat() const;

  void Send(v1::CoordinatorMessage message);
  /// Ends the stream with this status, after what is being written.
  void Close(const Error& error);

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;
  void OnCancel() override {}

  void ReadMore();
  void WriteMore();
  void FinishWhenIdle();
  void Pump();
  void Handle(v1::WorkerMessage message);
  void HandleRegistration(const v1::Registration& registration);
  void HandleHeartbeat(const v1::Heartbeat& heartbeat);
  void HandleFacts(const v1::NodeFacts& facts);
  void HandleReport(const v1::AttemptReport& report);
  void HandleCheckpoint(const v1::CheckpointReport& report);
  void HandleEvents(const v1::EventBatch& batch);
  void EventsDone(const v1::EventAck& ack, const Status& status);
  void PostOrClose(core::Event event);

  SessionHub& hub_;
  const std::optional<std::string> certificate_name_;
  const domain::SessionId id_;
  domain::NodeDescription description_;
  bool combines_adapters_ = false;
  SessionPtr self_;
  v1::WorkerMessage incoming_;  // belongs to the read under way

  mutable std::mutex mutex_;
  bool registered_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool pumping_ = false;
  bool appending_ = false;
  bool finished_ = false;
  std::optional<Error> closing_;
  std::deque<v1::WorkerMessage> deferred_;
  std::deque<v1::CoordinatorMessage> outgoing_;
  Instant last_heartbeat_{};
};

}  // namespace lathe::sessions
