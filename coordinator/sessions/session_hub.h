#pragma once
// All workers' streams: which node has which, and the loop's way to them. Thread-safe.

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "common/base/clock.h"
#include "common/domain/lease.h"
#include "coordinator/runtime/node_gateway.h"
#include "coordinator/sessions/event_appender.h"
#include "coordinator/sessions/generations.h"
#include "coordinator/sessions/node_facts.h"
#include "coordinator/sessions/proto_convert.h"

namespace lathe::sessions {

class Session;
// Shared by the hub, by callbacks of the appender, and by gRPC until the stream is done.
using SessionPtr = std::shared_ptr<Session>;

class SessionHub final : public runtime::NodeGateway {
 public:
  SessionHub(const Clock& clock, domain::LeaseTerms terms);
  ~SessionHub() override;

  /// The loop and the appender are made after the hub and end before it. Until Attach, and after
  /// Detach, streams are refused with kUnavailable.
  void Attach(PostEvent post, EventAppender& appender);
  /// Closes every stream.
  void Detach();

  void Send(domain::SessionId session, const core::NodeCommand& command) override;
  void Start(domain::SessionId session, const runtime::StartOrder& order) override;
  void Close(domain::SessionId session, const std::string& reason) override;

  /// Hands a generation to the connected node that has the model, can combine adapters if that is
  /// asked for, and has the fewest under way. kUnavailable when there is none. The assignment's id
  /// is filled in.
  Result<GenerationPtr> Generate(v1::GenerateAssignment assignment);
  /// The caller has gone, or has it all: forgets the generation and tells the worker to stop it.
  void EndGeneration(const GenerationPtr& generation, bool cancel);

  /// When the node last sent a heartbeat on its present stream; nullopt without one.
  std::optional<Instant> LastHeartbeat(const domain::NodeId& node) const;

  const NodeFacts& facts() const { return facts_; }

  // ---- for Session ----
  const Clock& clock() const { return clock_; }
  Generations& generations() { return generations_; }
  NodeFacts& facts() { return facts_; }
  domain::SessionId DrawSession() { return domain::SessionId(++last_session_); }
  bool Post(core::Event event);
  /// False after Detach.
  bool Append(ReadBatch batch, EventAppender::Done done);
  /// Makes the session its node's only one; an older one ends with ABORTED.
  void Register(const SessionPtr& session);
  void Remove(domain::SessionId session, const domain::NodeId& node);

 private:
  SessionPtr Find(domain::SessionId session) const;
  /// Null when there is none.
  SessionPtr PickFor(const std::string& model, bool combines_adapters) const;

  const Clock& clock_;
  const domain::LeaseTerms terms_;
  Generations generations_;
  NodeFacts facts_;
  std::atomic<std::uint64_t> last_session_{0};
  mutable std::mutex mutex_;
  PostEvent post_;
  EventAppender* appender_ = nullptr;
  std::map<domain::SessionId, SessionPtr> sessions_;
  std::map<domain::NodeId, SessionPtr> by_node_;
};

}  // namespace lathe::sessions
