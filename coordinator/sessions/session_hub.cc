#include "coordinator/sessions/session_hub.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/log.h"
#include "coordinator/sessions/session.h"

namespace lathe::sessions {

SessionHub::SessionHub(const Clock& clock, domain::LeaseTerms terms)
    : clock_(clock), terms_(terms) {}
SessionHub::~SessionHub() = default;

void SessionHub::Attach(PostEvent post, EventAppender& appender) {
  const std::lock_guard lock(mutex_);
  post_ = std::move(post);
  appender_ = &appender;
}

void SessionHub::Detach() {
  std::map<domain::SessionId, SessionPtr> sessions;
  {
    const std::lock_guard lock(mutex_);
    post_ = nullptr;
    appender_ = nullptr;
    sessions.swap(sessions_);
    by_node_.clear();
  }
  for (const auto& [id, session] : sessions) {
    session->Close(Error{ErrorCode::kUnavailable, "the coordinator is stopping; come back.", {}});
  }
}

void SessionHub::Send(domain::SessionId id, const core::NodeCommand& command) {
  const SessionPtr session = Find(id);
  if (!session) return;
  std::visit(
      [&](const auto& value) {
        using Command = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Command, core::Welcome>) {
          session->Send(MakeWelcome(terms_));
        } else if constexpr (!std::is_same_v<Command, core::StartAttempt>) {
          session->Send(ToMessage(value));
        }
      },
      command);
}

void SessionHub::Start(domain::SessionId id, const runtime::StartOrder& order) {
  const SessionPtr session = Find(id);
  if (!session) return;
  auto message = ToMessage(order, session->description().resources);
  if (message) {
    session->Send(std::move(*message));
    return;
  }
  log::Failure("attempt_not_startable",
               {{"job", order.start.spec.id.value()}, {"error", ToString(message.error())}});
  domain::AttemptReport report;
  report.key = {order.start.spec.id, order.start.attempt};
  report.phase = domain::AttemptPhase::kFailed;
  report.failure_class = domain::FailureClass::kUser;
  report.message = message.error().message;
  Post(core::AttemptReported{id, session->description().id, std::move(report)});
}

void SessionHub::Close(domain::SessionId id, const std::string& reason) {
  if (const SessionPtr session = Find(id)) session->Close(Error{ErrorCode::kAborted, reason, {}});
}

Result<GenerationPtr> SessionHub::Generate(v1::GenerateAssignment assignment) {
  const std::string& model = assignment.model();
  const SessionPtr session = PickFor(model, assignment.has_composition());
  if (!session) {
    const bool only_older = assignment.has_composition() && PickFor(model, false);
    return Failure(
        ErrorCode::kUnavailable,
        "no connected node has the base model \"" + model + "\"" +
            (only_older ? " and can combine adapters: the lathe-worker of those that have "
                          "it is of an earlier release."
                        : "."));
  }
  const GenerationPtr generation = generations_.Begin(session->id());
  assignment.set_generation_id(generation->id());
  v1::CoordinatorMessage message;
  *message.mutable_generate() = std::move(assignment);
  session->Send(std::move(message));
  // A stream that ended in between has failed the generations it knew of, not this one.
  if (!Find(session->id())) generations_.FailAll(session->id());
  return generation;
}

void SessionHub::EndGeneration(const GenerationPtr& generation, bool cancel) {
  generations_.End(generation);
  const SessionPtr session = cancel ? Find(generation->session()) : nullptr;
  if (!session) return;
  v1::CoordinatorMessage message;
  message.mutable_cancel_generate()->set_generation_id(generation->id());
  session->Send(std::move(message));
}

std::optional<Instant> SessionHub::LastHeartbeat(const domain::NodeId& node) const {
  SessionPtr session;
  {
    const std::lock_guard lock(mutex_);
    const auto found = by_node_.find(node);
    if (found == by_node_.end()) return std::nullopt;
    session = found->second;
  }
  return session->last_heartbeat();
}

bool SessionHub::Post(core::Event event) {
  PostEvent post;
  {
    const std::lock_guard lock(mutex_);
    post = post_;
  }
  return post && post(std::move(event));
}

bool SessionHub::Append(ReadBatch batch, EventAppender::Done done) {
  const std::lock_guard lock(mutex_);
  return appender_ != nullptr && appender_->Append(std::move(batch), std::move(done));
}

void SessionHub::Register(const SessionPtr& session) {
  SessionPtr older;
  {
    const std::lock_guard lock(mutex_);
    sessions_[session->id()] = session;
    older = std::exchange(by_node_[session->description().id], session);
  }
  if (older) {
    older->Close(Error{ErrorCode::kAborted, "a newer stream of this node replaces this one.", {}});
  }
}

void SessionHub::Remove(domain::SessionId session, const domain::NodeId& node) {
  const std::lock_guard lock(mutex_);
  sessions_.erase(session);
  const auto found = by_node_.find(node);
  if (found != by_node_.end() && found->second->id() == session) by_node_.erase(found);
}

SessionPtr SessionHub::Find(domain::SessionId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : found->second;
}

SessionPtr SessionHub::PickFor(const std::string& model, bool combines_adapters) const {
  const std::lock_guard lock(mutex_);
  SessionPtr best;
  std::size_t fewest = 0;
  for (const auto& [node, session] : by_node_) {
    const auto& models = session->description().models;
    if (!std::binary_search(models.begin(), models.end(), model)) continue;
    if (combines_adapters && !session->combines_adapters()) continue;
    const std::size_t count = generations_.Count(session->id());
    if (!best || count < fewest) {
      best = session;
      fewest = count;
    }
  }
  return best;
}

}  // namespace lathe::sessions
