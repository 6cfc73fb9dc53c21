#include "tests/sim/sim_node.h"

#include <algorithm>
#include <utility>

namespace lathe::sim {
namespace {

using domain::AttemptPhase;
using domain::FailureClass;

constexpr std::uint64_t kCheckpointEvery = 4;

domain::Manifest SomeFiles() {
  return {{{"file", {"hash", 1}}}};
}

}  // namespace

// ---- life of daemon and machine ----

void SimNode::Boot() {
  up_ = true;
  Connect();
  Tick();
}

void SimNode::RestartDaemon() {
  if (!up_) return;
  up_ = false;
  ++daemon_life_;
  BreakLink();
  link_.reset();
  // The files of attempts and spools are found again; what was under way is not.
  LaterOnMachine(world_.Between(100 * kMillisecond, 3 * kSecond), [this] { Boot(); });
}

void SimNode::CrashMachine() {
  if (!up_) return;
  up_ = false;
  ++daemon_life_;
  ++machine_life_;
  BreakLink();
  link_.reset();
  for (const auto& [job, attempt] : attempts_) {
    if (attempt.stage == Stage::kRunning) live_.erase(job);
  }
  attempts_.clear();
  if (world_.Chance(0.3)) folders_.clear();
  LaterOnMachine(world_.Between(kSecond, 40 * kSecond), [this] { Boot(); });
}

void SimNode::BreakLink() {
  if (link_) link_->Break();
}

void SimNode::CutOff(Duration duration) {
  cut_off_until_ = world_.time() + duration;
  BreakLink();
}

void SimNode::Later(Duration delay, std::function<void()> action) {
  world_.After(delay, [this, life = daemon_life_, action = std::move(action)] {
    if (life == daemon_life_) action();
  });
}

void SimNode::LaterOnMachine(Duration delay, std::function<void()> action) {
  world_.After(delay, [this, life = machine_life_, action = std::move(action)] {
    if (life == machine_life_) action();
  });
}

void SimNode::Connect() {
  const bool cut_off = world_.time() < cut_off_until_;
  link_ = cut_off ? nullptr : coordinator_.Connect(description_.id);
  if (!link_) {
    return Later(world_.Between(100 * kMillisecond, 2 * kSecond), [this] { Connect(); });
  }
  Link* own = link_.get();
  link_->on_down = [this, own, life = daemon_life_](const Down& message) {
    if (life == daemon_life_ && link_.get() == own) OnDown(message);
  };
  link_->on_node_sees_break = [this, own, life = daemon_life_] {
    if (life != daemon_life_ || link_.get() != own) return;
    link_.reset();
    Later(world_.Between(50 * kMillisecond, 2 * kSecond), [this] { Connect(); });
  };
  registered_ = world_.time();
  heartbeats_.clear();
  Registration registration{description_, {}};
  for (const auto& [job, attempt] : attempts_) registration.attempts.push_back(Listed(attempt));
  Send(registration);
}

domain::AttemptReport SimNode::Listed(const Attempt& attempt) const {
  const bool told = attempt.acknowledged == attempt.spool.size();
  if (attempt.stage == Stage::kEnded && told) return attempt.report;
  return {.key = attempt.key, .phase = AttemptPhase::kStarted};
}

void SimNode::Tick() {
  heartbeats_[++heartbeat_] = world_.time();
  Send(Heartbeat{heartbeat_});
  if (world_.time() >= lease_from_ + terms_.lease) ExpireLease();
  for (auto& [job, attempt] : attempts_) {
    SendEvents(attempt);
    SendCheckpoint(attempt);
    const bool told = attempt.acknowledged == attempt.spool.size();
    if (attempt.stage == Stage::kEnded && told) Send(attempt.report);
  }
  Later(500 * kMillisecond, [this] { Tick(); });
}

void SimNode::ExpireLease() {
  for (auto& [job, attempt] : attempts_) {
    if (attempt.stage == Stage::kRunning) End(attempt, AttemptPhase::kInterrupted);
  }
}

// ---- what the coordinator says ----

void SimNode::OnDown(const Down& message) {
  std::visit([this](const auto& m) { On(m); }, message);
}

void SimNode::On(const core::Welcome&) {
  lease_from_ = registered_;
  // The trainer takes its time to tell, now and then longer than the stream lasts.
  Later(world_.Between({}, 2 * kSecond), [this] { Send(TrainerTold{lacks_}); });
}

void SimNode::On(const core::AcknowledgeHeartbeat& ack) {
  const auto sent = heartbeats_.find(ack.sequence);
  if (sent != heartbeats_.end()) lease_from_ = std::max(lease_from_, sent->second);
}

void SimNode::On(const Start& start) {
  const domain::AttemptKey key{start.command.spec.id, start.command.attempt};
  const auto known = attempts_.find(key.job);
  if (known != attempts_.end()) {
    if (known->second.key.attempt >= key.attempt) return;
    if (known->second.stage == Stage::kRunning) live_.erase(key.job);
    attempts_.erase(known);
  }
  const auto [other, alone] = live_.try_emplace(key.job, description_.id);
  if (!alone) {
    world_.Violation("job " + key.job.value() + " trains on " + other->second.value() + " and on " +
                     description_.id.value());
  }
  for (const std::string& feature : start.command.spec.required_features) {
    if (std::count(lacks_.begin(), lacks_.end(), feature) > 0) {
      world_.Violation("job " + key.job.value() + " needs " + feature + ", which " +
                       description_.id.value() + " lacks");
    }
  }
  Folder& folder = folders_[key.job];
  Attempt attempt{.key = key,
                  .total_steps = static_cast<std::uint32_t>(start.command.spec.train.size_bytes),
                  .gpus = start.command.gpus,
                  .cpu_slots = start.command.spec.resources.cpu_slots,
                  .reported_step = start.reported_step};
  for (std::uint64_t step = 1; step <= folder.logged; ++step) Log(attempt, step);
  folder.checkpoint = std::max(folder.checkpoint, start.command.checkpoint.step);
  folder.logged = std::max(folder.logged, folder.checkpoint);
  attempt.step = folder.checkpoint;
  attempts_[key.job] = attempt;
  CheckResources();
  Send(domain::AttemptReport{.key = key});
  LaterOnMachine(world_.Between(100 * kMillisecond, kSecond), [this, key] { Train(key); });
}

void SimNode::On(const core::StopAttempt& stop) {
  const auto known = attempts_.find(stop.attempt.job);
  if (known == attempts_.end()) {
    if (stop.mode == core::StopMode::kDiscard) folders_.erase(stop.attempt.job);
    if (stop.mode == core::StopMode::kCheckpoint) {
      Send(domain::AttemptReport{.key = stop.attempt, .phase = AttemptPhase::kInterrupted});
    }
    return;
  }
  Attempt& attempt = known->second;
  if (stop.attempt.attempt < attempt.key.attempt) return;
  if (stop.mode == core::StopMode::kDiscard) {
    if (attempt.stage == Stage::kRunning) live_.erase(stop.attempt.job);
    attempts_.erase(known);
    folders_.erase(stop.attempt.job);
    return;
  }
  if (attempt.stage == Stage::kEnded) return;
  // The trainer takes its time; it may end by itself before.
  const domain::AttemptKey key = attempt.key;
  LaterOnMachine(world_.Between(50 * kMillisecond, 2 * kSecond), [this, key] {
    Attempt* stopping = Find(key);
    if (stopping == nullptr || stopping->stage == Stage::kEnded) return;
    folders_[key.job].checkpoint = std::max(folders_[key.job].checkpoint, stopping->step);
    End(*stopping, AttemptPhase::kInterrupted);
    stopping->report.checkpoint = {stopping->step, SomeFiles()};
  });
}

void SimNode::On(const core::AcknowledgeReport& ack) {
  Attempt* attempt = Find(ack.attempt);
  if (attempt == nullptr || attempt->stage != Stage::kEnded) return;
  if (attempt->report.phase == ack.phase) attempts_.erase(ack.attempt.job);
}

void SimNode::On(const EventAck& ack) {
  Attempt* attempt = Find(ack.attempt);
  if (attempt != nullptr) attempt->acknowledged = std::max(attempt->acknowledged, ack.sequence);
}

// ---- trainers ----

void SimNode::Train(const domain::AttemptKey& key) {
  Attempt* attempt = Find(key);
  if (attempt == nullptr || attempt->stage != Stage::kRunning) return;
  if (world_.Chance(trouble_.fault)) {
    return End(*attempt, AttemptPhase::kFailed, FailureClass::kFault);
  }
  if (world_.Chance(trouble_.user_error)) {
    return End(*attempt, AttemptPhase::kFailed, FailureClass::kUser);
  }
  if (world_.Chance(trouble_.out_of_memory)) {
    return End(*attempt, AttemptPhase::kFailed, FailureClass::kOutOfMemory);
  }
  if (attempt->step >= attempt->total_steps) return End(*attempt, AttemptPhase::kSucceeded);
  Folder& folder = folders_[key.job];
  if (++attempt->step > folder.logged) {
    folder.logged = attempt->step;
    Log(*attempt, attempt->step);
  }
  if (attempt->step % kCheckpointEvery == 0) {
    folder.checkpoint = std::max(folder.checkpoint, attempt->step);
    attempt->checkpoint = attempt->step;
    attempt->checkpoint_after = attempt->spool.size();
  }
  LaterOnMachine(world_.Between(50 * kMillisecond, 800 * kMillisecond),
                 [this, key] { Train(key); });
}

void SimNode::Log(Attempt& attempt, std::uint64_t step) {
  if (step <= attempt.reported_step) return;
  attempt.spool.push_back({attempt.spool.size() + 1, "metric", world_.now().wall, step, "{}"});
}

void SimNode::End(Attempt& attempt, AttemptPhase phase, FailureClass failure_class) {
  attempt.stage = Stage::kEnded;
  attempt.report = {.key = attempt.key, .phase = phase, .failure_class = failure_class};
  if (phase == AttemptPhase::kSucceeded) attempt.report.adapter = SomeFiles();
  live_.erase(attempt.key.job);
}

void SimNode::SendEvents(const Attempt& attempt) {
  if (attempt.acknowledged == attempt.spool.size()) return;
  const auto first = attempt.spool.begin() + static_cast<std::ptrdiff_t>(attempt.acknowledged);
  Send(storage::EventBatch{attempt.key, {first, attempt.spool.end()}});
}

void SimNode::SendCheckpoint(Attempt& attempt) {
  if (attempt.checkpoint == 0 || attempt.acknowledged < attempt.checkpoint_after) return;
  if (!link_ || attempt.stage == Stage::kEnded) return;
  Send(CheckpointUploaded{attempt.key, {attempt.checkpoint, SomeFiles()}});
  attempt.checkpoint = 0;
}

void SimNode::CheckResources() {
  std::set<std::uint32_t> gpus;
  std::uint32_t slots = 0;
  for (const auto& [job, attempt] : attempts_) {
    if (attempt.stage == Stage::kEnded) continue;
    slots += attempt.cpu_slots;
    for (const std::uint32_t gpu : attempt.gpus) {
      if (!gpus.insert(gpu).second) world_.Violation("two trainers on one GPU");
    }
  }
  if (slots > description_.resources.cpu_slots) world_.Violation("too many trainers on a node");
}

SimNode::Attempt* SimNode::Find(const domain::AttemptKey& key) {
  const auto found = attempts_.find(key.job);
  if (found == attempts_.end() || found->second.key.attempt != key.attempt) return nullptr;
  return &found->second;
}

}  // namespace lathe::sim
