#include "worker/node/node.h"

#include <algorithm>
#include <future>
#include <system_error>
#include <utility>

#include "common/base/log.h"
#include "worker/attempt/report_text.h"

namespace lathe::worker {
namespace {

constexpr std::chrono::seconds kHousekeepingInterval{5};
constexpr std::chrono::hours kCleanupInterval{1};
constexpr std::chrono::milliseconds kLongestWait{200};

Duration ToDuration(const google::protobuf::Duration& duration) {
  return std::chrono::seconds(duration.seconds()) +
         std::chrono::microseconds(duration.nanos() / 1000);
}

}  // namespace

Node::Node(Parts parts, std::string node_id)
    : parts_(std::move(parts)),
      node_id_(std::move(node_id)),
      jobs_(parts_.config.data_dir / "jobs"),
      artifacts_(parts_.artifact_channel),
      cache_(parts_.config.data_dir / "cache", parts_.config.cache_bytes,
             [this](const v1::Blob& blob, const std::filesystem::path& target) {
               const Status status = artifacts_.Download(blob, target);
               if (status) {
                 parts_.telemetry.Add(telemetry::metrics::kWorkerTransferredBytes,
                                      {{"direction", "download"}},
                                      static_cast<double>(blob.size_bytes()));
               }
               return status;
             }),
      surroundings_(MakeSurroundings()),
      agent_({}, parts_.clock.MonotonicNow()),
      next_housekeeping_(parts_.clock.MonotonicNow()),
      next_cleanup_(next_housekeeping_),
      session_(std::make_unique<session::Session>(parts_.connect, parts_.clock, MakeCallbacks())),
      generator_(std::make_unique<generate::Generator>(MakeGeneratorSurroundings())) {}

Node::~Node() = default;

Status Node::Run() {
  Recover();
  session_->Start();
  fact_finder_ = std::make_unique<FactFinder>(
      parts_.config.trainer, parts_.inventory.resources().cuda() ? "cuda:0" : "cpu",
      [this](const v1::NodeFacts& facts) { queue_.Post([this, facts] { OnFacts(facts); }); });
  fact_finder_->Want(parts_.inventory.Models());
  while (!stop_) {
    queue_.RunFor(TimeToNextTimer());
    RunTimers();
  }
  generator_->CancelAll();
  fact_finder_.reset();
  CloseSession();
  if (const std::size_t live = agent_.LiveCount(); live > 0) {
    log::Info("trainers_left_running",
              {{"count", live}, {"hint", "the next lathe-worker on this data_dir adopts them"}});
  }
  if (refused_) return Failure(*refused_);
  return {};
}

// The session's thread may wait for an answer of this loop, so the loop goes on until it has ended.
void Node::CloseSession() {
  auto closed = std::async(std::launch::async, [this] { session_->Close(); });
  while (closed.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    queue_.RunFor(std::chrono::milliseconds(10));
  }
}

void Node::Stop() {
  queue_.Post([this] { stop_ = true; });
}

Duration Node::TimeToNextTimer() const {
  const MonotonicInstant now = parts_.clock.MonotonicNow();
  MonotonicInstant next = std::min(now + kLongestWait, next_housekeeping_);
  if (const auto due = heartbeats_.due()) next = std::min(next, *due);
  if (const auto due = agent_.NextDeadline()) next = std::min(next, *due);
  return std::max(Duration{0}, next - now);
}

void Node::RunTimers() {
  const MonotonicInstant now = parts_.clock.MonotonicNow();
  if (const auto due = agent_.NextDeadline(); due && *due <= now) Handle(agent::TimePassed{});
  if (const auto sequence = heartbeats_.Next(now)) {
    v1::WorkerMessage message;
    message.mutable_heartbeat()->set_sequence(*sequence);
    session_->Send(std::move(message));
  }
  if (now < next_housekeeping_) return;
  next_housekeeping_ = now + kHousekeepingInterval;
  if (parts_.inventory.RescanModels()) {
    session_->Reopen();
    fact_finder_->Want(parts_.inventory.Models());
  }
  UpdateGauges();
  if (now < next_cleanup_) return;
  next_cleanup_ = now + kCleanupInterval;
  RemoveOldFolders();
}

void Node::Handle(const agent::Event& event) {
  for (const agent::Action& action : agent_.Step(event, parts_.clock.MonotonicNow())) {
    std::visit([this](const auto& a) { Perform(a); }, action);
  }
}

session::Callbacks Node::MakeCallbacks() {
  return {.registration =
              [this] {
                std::promise<v1::Registration> answer;
                queue_.Post([&] { answer.set_value(Registration()); });
                return answer.get_future().get();
              },
          .opened =
              [this](const v1::Welcome& welcome, MonotonicInstant sent) {
                queue_.Post([this, welcome, sent] { OnOpened(welcome, sent); });
              },
          .received =
              [this](const v1::CoordinatorMessage& message) {
                queue_.Post([this, message] { OnMessage(message); });
              },
          .closed = [this](const Error& error) { queue_.Post([this, error] { OnClosed(error); }); },
          .refused =
              [this](const Error& error) {
                queue_.Post([this, error] {
                  refused_ = error;
                  stop_ = true;
                });
              }};
}

v1::Registration Node::Registration() {
  v1::Registration registration = parts_.inventory.Registration(node_id_);
  registration.set_combines_adapters(true);
  for (const agent::SendReport& report : agent_.Registered()) {
    *registration.add_attempts() = ReportOf(report);
  }
  return registration;
}

void Node::OnOpened(const v1::Welcome& welcome, MonotonicInstant sent) {
  connected_ = true;
  parts_.telemetry.Add(telemetry::metrics::kWorkerReconnects);
  log::Info("session_opened", {{"coordinator", parts_.config.coordinator}, {"node", node_id_}});
  heartbeats_.Begin(ToDuration(welcome.heartbeat_interval()), sent);
  for (auto& [job, attempt] : attempts_) attempt.sender->Restart();
  // Events before reports: an end is only told when its events are stored.
  PumpEvents();
  Handle(agent::SessionOpened{ToDuration(welcome.lease()), sent});
  SendFacts();
  UpdateGauges();
}

void Node::OnFacts(const v1::NodeFacts& facts) {
  facts_ = facts;
  if (connected_) SendFacts();
}

void Node::SendFacts() {
  if (facts_.ByteSizeLong() == 0) return;
  v1::WorkerMessage message;
  *message.mutable_node_facts() = facts_;
  session_->Send(std::move(message));
}

void Node::OnClosed(const Error& error) {
  connected_ = false;
  heartbeats_.End();
  generator_->CancelAll();
  Handle(agent::SessionClosed{});
  log::Warning("coordinator_away", {{"error", error.message}});
  UpdateGauges();
}

void Node::OnMessage(const v1::CoordinatorMessage& message) {
  using Body = v1::CoordinatorMessage::BodyCase;
  switch (message.body_case()) {
    case Body::kHeartbeatAck:
      return OnHeartbeatAck(message.heartbeat_ack());
    case Body::kStartAttempt: {
      const v1::StartAttempt& start = message.start_attempt();
      return Handle(
          agent::StartRequested{{start.job_id(), start.attempt()}, start.SerializeAsString()});
    }
    case Body::kStopAttempt: {
      const v1::StopAttempt& stop = message.stop_attempt();
      return Handle(agent::StopRequested{
          {stop.job_id(), stop.attempt()},
          stop.checkpoint() ? agent::StopMode::kCheckpoint : agent::StopMode::kDiscard});
    }
    case Body::kReportAck: {
      const v1::ReportAck& ack = message.report_ack();
      const auto phase = attempt::FromProto(ack.phase());
      if (phase) Handle(agent::ReportAcked{{ack.job_id(), ack.attempt()}, *phase});
      return;
    }
    case Body::kEventAck:
      return OnEventAck(message.event_ack());
    case Body::kGenerate:
      return generator_->Start(message.generate());
    case Body::kCancelGenerate:
      return generator_->Cancel(message.cancel_generate().generation_id());
    case Body::kWelcome:
    case Body::BODY_NOT_SET:
      break;
  }
  log::Warning("message_not_understood", {{"body", static_cast<int>(message.body_case())}});
}

void Node::OnHeartbeatAck(const v1::HeartbeatAck& ack) {
  const auto sent = heartbeats_.Acknowledged(ack.sequence());
  if (!sent) return;
  parts_.telemetry.Observe(telemetry::metrics::kWorkerHeartbeat,
                           parts_.clock.MonotonicNow() - *sent);
  Handle(agent::HeartbeatAcked{*sent});
}

void Node::OnEventAck(const v1::EventAck& ack) {
  const auto found = attempts_.find(ack.job_id());
  if (found == attempts_.end() || found->second.runner->key().attempt != ack.attempt()) return;
  const std::uint64_t count = found->second.sender->Acknowledge(ack.sequence());
  parts_.telemetry.Add(telemetry::metrics::kWorkerEvents, {}, static_cast<double>(count));
  PumpEvents();
}

// Sends what may be sent, and tells the agent of ended attempts that have nothing left to send.
void Node::PumpEvents() {
  if (!connected_) return;
  for (auto& [job, attempt] : attempts_) {
    while (auto batch = attempt.sender->Next()) {
      v1::WorkerMessage message;
      *message.mutable_event_batch() = std::move(*batch);
      session_->Send(std::move(message));
    }
    if (auto checkpoint = attempt.sender->NextCheckpoint()) {
      v1::WorkerMessage message;
      *message.mutable_checkpoint_report() = std::move(*checkpoint);
      session_->Send(std::move(message));
    }
  }
  // Handling the event may remove an attempt, so not within the loop above.
  std::vector<agent::AttemptKey> delivered;
  for (const auto& [job, attempt] : attempts_) {
    if (attempt.ended && attempt.sender->AllAcknowledged()) {
      delivered.push_back(attempt.runner->key());
    }
  }
  for (const agent::AttemptKey& key : delivered) Handle(agent::EventsDelivered{key});
}

void Node::SendReport(v1::AttemptReport report) {
  v1::WorkerMessage message;
  *message.mutable_attempt_report() = std::move(report);
  session_->Send(std::move(message));
}

v1::AttemptReport Node::ReportOf(const agent::SendReport& report) {
  const auto found = attempts_.find(report.key.job);
  const bool ended = report.phase != agent::ReportPhase::kStarted;
  if (ended && found != attempts_.end() && found->second.ended &&
      found->second.runner->key() == report.key) {
    return found->second.runner->report();
  }
  const auto failed = failed_to_begin_.find(report.key.job);
  if (failed != failed_to_begin_.end() && failed->second.attempt() == report.key.attempt) {
    return failed->second;
  }
  v1::AttemptReport plain;
  plain.set_job_id(report.key.job);
  plain.set_attempt(report.key.attempt);
  plain.set_phase(attempt::ToProto(report.phase));
  return plain;
}

void Node::UpdateGauges() {
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  for (const auto& [job, attempt] : attempts_) {
    spool::Spool& spool = attempt.runner->spool();
    events += spool.last() - spool.acknowledged();
    bytes += spool.unsent_bytes();
  }
  namespace metrics = telemetry::metrics;
  parts_.telemetry.Set(metrics::kWorkerSpoolEvents, static_cast<double>(events));
  parts_.telemetry.Set(metrics::kWorkerSpoolBytes, static_cast<double>(bytes));
  parts_.telemetry.Set(metrics::kWorkerConnected, connected_ ? 1 : 0);
  parts_.telemetry.Set(metrics::kWorkerTrainers, static_cast<double>(agent_.LiveCount()),
                       {{"state", "live"}});
}

}  // namespace lathe::worker
