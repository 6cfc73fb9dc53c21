#include "tests/sim/sim_engine.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "tests/sim/sim_coordinator.h"

namespace lathe::sim {
namespace {

using domain::AttemptPhase;

/// A request reaches the service within this time, or never.
constexpr Duration kLongestWay = 5 * kSecond;
constexpr Duration kSettle = 8 * kSecond;
constexpr Duration kPoll = 500 * kMillisecond;
constexpr Duration kReplyLimit = 4 * kSecond;
const domain::NodeId kNode("engine:far");

}  // namespace

// ---- the service ----

void SimEngine::Create(const std::string& marker, std::uint64_t total) {
  if (jobs_.contains(marker)) return world_.Violation(marker + " is started twice at the engine");
  jobs_[marker].total = total;
  Train(marker);
}

void SimEngine::Train(const std::string& marker) {
  world_.After(world_.Between(50 * kMillisecond, kSecond), [this, marker] {
    Remote& job = jobs_.at(marker);
    if (job.stage != Stage::kRunning) return;
    ++job.step;
    if (job.step == job.total) job.stage = Stage::kSucceeded;
    if (job.stage == Stage::kRunning && world_.Chance(failures_)) job.stage = Stage::kFailed;
    Train(marker);
  });
}

std::size_t SimEngine::running() const {
  return static_cast<std::size_t>(std::count_if(jobs_.begin(), jobs_.end(), [](const auto& job) {
    return job.second.stage == Stage::kRunning;
  }));
}

// ---- the coordinator's way to it ----

void SimEngine::Open(domain::SessionId session) {
  session_ = session;
  core::NodeRegistered event{session, {}, {}};
  event.description.id = kNode;
  event.description.engine = kName;
  event.description.resources.cpu_slots = 3;
  coordinator_.Post(std::move(event));
}

void SimEngine::Die() {
  ++life_;
  session_ = {};
  followers_.clear();
}

void SimEngine::Later(Duration delay, std::function<void()> action) {
  world_.After(delay, [this, life = life_, action = std::move(action)] {
    if (life == life_) action();
  });
}

void SimEngine::On(const core::NodeCommand& command) {
  if (const auto* start = std::get_if<core::StartAttempt>(&command)) {
    Follower follower{*start, start->remote, world_.time() + kSettle};
    const auto events = coordinator_.disk().ReadEvents(start->spec.id, std::nullopt, 100000);
    follower.stored = static_cast<std::uint64_t>(std::count_if(
        events->begin(), events->end(), [](const auto& e) { return e.type == "metric"; }));
    if (followers_.emplace(start->spec.id, std::move(follower)).second) {
      StepSoon(start->spec.id, {});
    }
  } else if (const auto* stop = std::get_if<core::StopAttempt>(&command)) {
    const auto found = followers_.find(stop->attempt.job);
    if (found != followers_.end()) found->second.cancel = true;
  }
}

std::string SimEngine::MarkerOf(const Follower& follower) {
  return follower.order.spec.id.value() + "-" + std::to_string(follower.order.attempt.value());
}

domain::AttemptKey SimEngine::KeyOf(const Follower& follower) const {
  return {follower.order.spec.id, follower.order.attempt};
}

void SimEngine::StepSoon(const domain::JobId& job, Duration delay) {
  Later(delay, [this, job] { Step(job); });
}

void SimEngine::Step(const domain::JobId& job) {
  const auto found = followers_.find(job);
  if (found == followers_.end()) return;
  Follower& follower = found->second;
  if (!follower.remote.id.empty()) return Follow(follower);
  if (follower.remote.start_sent && !LookForStart(follower)) return StepSoon(job, kPoll);
  if (!follower.remote.id.empty()) return StepSoon(job, {});
  if (follower.cancel) return Finish(follower, AttemptPhase::kInterrupted);
  Announce(follower);
}

bool SimEngine::LookForStart(Follower& follower) {
  if (world_.Chance(answers_lost_)) return false;
  if (jobs_.contains(MarkerOf(follower))) {
    follower.remote.id = MarkerOf(follower);
    Tell(follower, [](Follower&, const domain::Job&) {});
    return true;
  }
  return world_.time() >= follower.settled_at;
}

void SimEngine::Announce(Follower& follower) {
  follower.remote.start_sent = true;
  Tell(follower, [this](Follower& told, const domain::Job& job) {
    if (!job.cancel_requested && !told.cancel) return Send(told);
    told.cancel = true;
    told.remote.start_sent = false;
    StepSoon(job.id(), {});
  });
}

void SimEngine::Send(Follower& follower) {
  const std::string marker = MarkerOf(follower);
  const domain::JobId job = follower.order.spec.id;
  follower.settled_at = world_.time() + kSettle;
  if (world_.Chance(answers_lost_)) return StepSoon(job, kSecond);  // it never gets there
  const Duration way = world_.Between(kMillisecond, kLongestWay);
  const std::uint64_t total = follower.order.spec.train.size_bytes;
  world_.After(way, [this, marker, total] { Create(marker, total); });
  const bool answered = !world_.Chance(answers_lost_);
  Later(way + kMillisecond, [this, job, marker, answered] {
    const auto found = followers_.find(job);
    if (found == followers_.end()) return;
    if (answered) found->second.remote.id = marker;
    if (answered) Tell(found->second, [](Follower&, const domain::Job&) {});
    StepSoon(job, kMillisecond);
  });
}

void SimEngine::Follow(Follower& follower) {
  const domain::JobId job = follower.order.spec.id;
  if (world_.Chance(answers_lost_)) return StepSoon(job, kPoll);
  Remote& remote = jobs_.at(follower.remote.id);
  if (follower.cancel && remote.stage == Stage::kRunning) remote.stage = Stage::kCancelled;
  Store(follower, remote);
  if (follower.stored < remote.step) return StepSoon(job, kPoll);
  if (!std::exchange(follower.started_told, true)) {
    coordinator_.Post(core::AttemptReported{session_, kNode, {.key = KeyOf(follower)}});
  }
  switch (remote.stage) {
    case Stage::kRunning:
      return StepSoon(job, kPoll);
    case Stage::kSucceeded:
      return Finish(follower, AttemptPhase::kSucceeded);
    case Stage::kFailed:
      return Finish(follower, AttemptPhase::kFailed);
    case Stage::kCancelled:
      return Finish(follower, AttemptPhase::kInterrupted);
  }
}

void SimEngine::Store(Follower& follower, const Remote& remote) {
  if (follower.stored == remote.step) return;
  storage::EventBatch batch{KeyOf(follower), {}};
  for (std::uint64_t step = follower.stored + 1; step <= remote.step; ++step) {
    batch.events.push_back({step, "metric", world_.clock().Now(), step, "{}"});
  }
  if (coordinator_.Append(batch)) follower.stored = remote.step;
}

/// An answer may never come: then the same is told again.
void SimEngine::Tell(Follower& follower, std::function<void(Follower&, const domain::Job&)> then) {
  const domain::JobId job = follower.order.spec.id;
  const bool starts = follower.remote.id.empty();
  auto answered = std::make_shared<bool>(false);
  core::RemoteReported event{{}, kNode, KeyOf(follower), follower.remote, false, ""};
  coordinator_.Report(std::move(event), [this, job, answered, then = std::move(then),
                                         life = life_](const Result<domain::Job>& reply) {
    if (life != life_ || std::exchange(*answered, true)) return;
    const auto found = followers_.find(job);
    if (found == followers_.end()) return;
    if (!reply) {
      followers_.erase(found);
    } else {
      then(found->second, *reply);
    }
  });
  Later(kReplyLimit, [this, job, answered, starts] {
    if (std::exchange(*answered, true)) return;
    const auto found = followers_.find(job);
    if (found == followers_.end() || !starts) return;
    found->second.remote.start_sent = false;
    Step(job);
  });
}

void SimEngine::Finish(const Follower& follower, AttemptPhase phase) {
  domain::AttemptReport report{.key = KeyOf(follower), .phase = phase};
  if (phase == AttemptPhase::kFailed) report.failure_class = domain::FailureClass::kUser;
  report.message = "simulated";
  coordinator_.Post(core::AttemptReported{session_, kNode, report});
  followers_.erase(report.key.job);
}

}  // namespace lathe::sim
