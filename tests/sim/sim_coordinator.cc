#include "tests/sim/sim_coordinator.h"

#include <algorithm>
#include <type_traits>
#include <utility>

namespace lathe::sim {
namespace {

/// A message that is handed to the core as it is.
struct ToEvent {
  const Link& link;
  core::Event operator()(const Registration& m) const {
    return core::NodeRegistered{link.session(), m.description, m.attempts};
  }
  core::Event operator()(const TrainerTold& m) const {
    return core::TrainerTold{link.session(), link.node(), m.lacks};
  }
  core::Event operator()(const Heartbeat& m) const {
    return core::HeartbeatReceived{link.session(), link.node(), m.sequence};
  }
  core::Event operator()(const domain::AttemptReport& m) const {
    return core::AttemptReported{link.session(), link.node(), m};
  }
  core::Event operator()(const CheckpointUploaded& m) const {
    return core::CheckpointStored{link.session(), link.node(), m.attempt, m.checkpoint};
  }
  core::Event operator()(const storage::EventBatch& m) const {
    domain::ProgressUpdate progress;
    for (const auto& event : m.events) {
      if (event.step) progress.step = event.step;
    }
    return core::EventsStored{m.attempt, progress};
  }
};

}  // namespace

SimCoordinator::SimCoordinator(World& world)
    : world_(world),
      database_(storage::MakeMemoryDatabase(world.clock())),
      disk_(storage::MakeMemoryStore(database_)) {}

void SimCoordinator::Start() {
  if (alive()) return;
  auto old_store = std::move(store_);
  store_ = storage::MakeMemoryStore(database_);
  if (!store_->AcquireLeadership("sim", 10 * kSecond)) world_.Violation("can't lead again");
  // A zombie that wakes up now must be refused.
  std::vector<core::Commit> stale;
  for (core::Outcome& outcome : outcomes_) stale.push_back(std::move(outcome.commit));
  const bool any =
      std::any_of(stale.begin(), stale.end(), [](const auto& c) { return !c.Empty(); });
  if (any && old_store->Commit(stale)) world_.Violation("a fenced commit was applied");
  outcomes_.clear();
  core::Records records = *store_->Load();
  // A commit may have been applied without this process having lived to hear of it.
  for (const domain::Job& job : records.jobs) {
    if (IsFinal(job.state)) ended_.insert(job.id());
  }
  state_ = core::Recover({}, std::move(records), world_.now());
  Tick();
  if (engine_ != nullptr) engine_->Open(domain::SessionId(++last_session_));
}

void SimCoordinator::Crash() {
  if (!alive()) return;
  ++life_;
  state_.reset();
  if (engine_ != nullptr) engine_->Die();
  queue_.clear();
  tickets_.clear();
  paused_ = committing_ = schedule_planned_ = false;
  for (auto& [session, link] : std::exchange(links_, {})) link->Break();
}

void SimCoordinator::Pause(Duration duration) {
  if (!alive() || paused_) return;
  paused_ = true;
  Later(duration, [this] {
    paused_ = false;
    Drain();
  });
}

void SimCoordinator::Later(Duration delay, std::function<void()> action) {
  world_.After(delay, [this, life = life_, action = std::move(action)] {
    if (life == life_ && alive()) action();
  });
}

void SimCoordinator::Tick() {
  if (!paused_) Enqueue(core::Ticked{});
  Later(250 * kMillisecond, [this] { Tick(); });
}

std::shared_ptr<Link> SimCoordinator::Connect(const domain::NodeId& node) {
  if (!alive()) return nullptr;
  auto link = std::make_shared<Link>(world_, domain::SessionId(++last_session_), node);
  std::weak_ptr<Link> weak = link;
  link->on_up = [this, weak, life = life_](const Up& message) {
    if (life == life_ && alive()) OnUp(weak.lock(), message);
  };
  link->on_coordinator_sees_break = [this, weak, life = life_] {
    const auto ended = weak.lock();
    if (life != life_ || !alive() || !ended) return;
    links_.erase(ended->session());
    Enqueue(core::NodeDisconnected{ended->session(), ended->node()});
  };
  links_[link->session()] = link;
  return link;
}

core::Ticket SimCoordinator::NewTicket(std::function<void(const Result<domain::Job>&)> reply) {
  const core::Ticket ticket(++last_ticket_);
  tickets_[ticket] = std::move(reply);
  return ticket;
}

bool SimCoordinator::Submit(domain::JobSpec spec,
                            std::function<void(const Result<domain::Job>&)> reply) {
  if (!alive()) return false;
  Enqueue(core::JobSubmitted{NewTicket(std::move(reply)), std::move(spec), "configuration"});
  return true;
}

bool SimCoordinator::Cancel(const domain::JobId& job,
                            std::function<void(const Result<domain::Job>&)> reply) {
  if (!alive()) return false;
  Enqueue(core::CancelRequested{NewTicket(std::move(reply)), job, "simulated"});
  return true;
}

void SimCoordinator::Report(core::RemoteReported event,
                            std::function<void(const Result<domain::Job>&)> reply) {
  event.ticket = NewTicket(std::move(reply));
  Enqueue(std::move(event));
}

bool SimCoordinator::Append(const storage::EventBatch& batch) {
  const auto results = store_->AppendEvents({&batch, 1});
  if (!results) world_.Violation("append failed");
  return results.has_value() && !world_.Chance(store_trouble_);
}

void SimCoordinator::OnUp(const std::shared_ptr<Link>& link, const Up& message) {
  if (const auto* batch = std::get_if<storage::EventBatch>(&message))
    return OnEvents(*link, *batch);
  Enqueue(std::visit(ToEvent{*link}, message));
}

void SimCoordinator::OnEvents(Link& link, const storage::EventBatch& batch) {
  const auto results = store_->AppendEvents({&batch, 1});
  if (!results) return world_.Violation("append failed");
  if (results->front().stale == 0) Enqueue(ToEvent{link}(batch));
  link.SendDown(EventAck{batch.attempt, batch.events.back().sequence});
}

void SimCoordinator::Enqueue(core::Event event) {
  queue_.push_back(std::move(event));
  Drain();
}

void SimCoordinator::Drain() {
  while (!paused_ && !committing_ && !queue_.empty()) {
    core::Event event = std::move(queue_.front());
    queue_.pop_front();
    outcomes_.push_back(core::Step(*state_, std::move(event), world_.now()));
    for (const std::string& broken : core::CheckInvariants(*state_)) world_.Violation(broken);
    if (outcomes_.size() == 1) Later(world_.Between({}, 5 * kMillisecond), [this] { Flush(); });
  }
}

void SimCoordinator::Flush() {
  std::vector<core::Commit> commits;
  for (const core::Outcome& outcome : outcomes_) commits.push_back(outcome.commit);
  const bool trouble = world_.Chance(store_trouble_);
  if (!trouble || world_.Chance(0.5)) {
    const auto committed = store_->Commit(commits);
    if (!committed) return world_.Violation("commit refused: " + ToString(committed.error()));
  }
  committing_ = trouble;
  if (trouble) return Later(world_.Between(kMillisecond, 2 * kSecond), [this] { Flush(); });
  // A crash between commit and effects is made by whoever calls Crash in this very moment.
  if (world_.Chance(store_trouble_ * 0.05)) {
    for (const auto& outcome : std::exchange(outcomes_, {})) Observe(outcome.commit);
    Crash();
    return world_.After(world_.Between(kSecond, 5 * kSecond), [this] { Start(); });
  }
  for (const core::Outcome& outcome : std::exchange(outcomes_, {})) RunEffects(outcome);
  Drain();
}

void SimCoordinator::RunEffects(const core::Outcome& outcome) {
  Observe(outcome.commit);
  for (const core::Effect& effect : outcome.after_commit) {
    if (alive()) Run(effect);
  }
}

void SimCoordinator::Observe(const core::Commit& commit) {
  for (const core::Transition& change : commit.transitions) {
    if (!IsFinal(change.to)) continue;
    if (!ended_.insert(change.job).second) {
      world_.Violation("job " + change.job.value() + " ended twice");
    }
  }
}

void SimCoordinator::Run(const core::Effect& effect) {
  if (const auto* send = std::get_if<core::SendToNode>(&effect)) {
    if (engine_ != nullptr && engine_->Owns(send->session)) return engine_->On(send->command);
    const auto link = links_.find(send->session);
    if (link != links_.end()) RunCommand(*send, *link->second);
  } else if (const auto* close = std::get_if<core::CloseSession>(&effect)) {
    const auto link = links_.find(close->session);
    if (link != links_.end()) link->second->Break();
  } else if (const auto* reply = std::get_if<core::Reply>(&effect)) {
    auto ticket = tickets_.extract(reply->ticket);
    // The client may have gone, and will ask again.
    if (!ticket.empty() && !world_.Chance(store_trouble_)) ticket.mapped()(reply->result);
  } else if (!schedule_planned_) {
    schedule_planned_ = true;
    Later(20 * kMillisecond, [this] {
      schedule_planned_ = false;
      Enqueue(core::ScheduleDue{});
    });
  }
}

void SimCoordinator::RunCommand(const core::SendToNode& send, Link& link) {
  std::visit(
      [&]<class Command>(const Command& command) {
        if constexpr (std::is_same_v<Command, core::StartAttempt>) {
          const auto step = store_->HighestMetricStep(command.spec.id);
          link.SendDown(sim::Start{command, *step});
        } else {
          link.SendDown(command);
        }
      },
      send.command);
}

}  // namespace lathe::sim
