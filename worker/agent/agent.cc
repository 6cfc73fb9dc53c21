#include "worker/agent/agent.h"

#include <algorithm>
#include <utility>

namespace lathe::worker::agent {

std::vector<Action> Agent::Step(const Event& event, MonotonicInstant now) {
  Actions actions;
  std::visit([&](const auto& e) { On(e, now, actions); }, event);
  return actions;
}

void Agent::On(const StartRequested& event, MonotonicInstant now, Actions& actions) {
  const auto known = attempts_.find(event.key.job);
  if (known == attempts_.end()) return Accept(event, actions);
  Attempt& attempt = known->second;
  if (event.key.attempt < attempt.key.attempt) return;
  if (event.key.attempt == attempt.key.attempt) {
    // The coordinator asks again, so it may have missed the answer.
    attempt.report_acked = false;
    return Report(attempt, now, actions);
  }
  if (IsLive(attempt)) {
    if (attempt.successor && attempt.successor->key.attempt >= event.key.attempt) return;
    attempt.successor = event;
    attempt.discard = false;
    return KillLive(attempt, KillReason::kSuperseded, actions);
  }
  if (attempt.stage == Stage::kEnded) actions.push_back(Forget{attempt.key, attempt.phase});
  attempts_.erase(known);
  Accept(event, actions);
}

void Agent::On(const StopRequested& event, MonotonicInstant now, Actions& actions) {
  const auto known = attempts_.find(event.key.job);
  if (known == attempts_.end()) {
    if (event.mode == StopMode::kDiscard) {
      actions.push_back(Discard{event.key});
    } else {
      actions.push_back(ReportUnknown{event.key});
    }
    return;
  }
  Attempt& attempt = known->second;
  const std::uint32_t newest =
      attempt.successor ? attempt.successor->key.attempt : attempt.key.attempt;
  if (event.key.attempt < newest) return;
  if (event.key.attempt > newest && event.mode == StopMode::kCheckpoint) {
    actions.push_back(ReportUnknown{event.key});
    return;
  }
  if (attempt.successor) {
    // The successor never began: there is nothing of it to stop.
    if (event.mode == StopMode::kCheckpoint) actions.push_back(ReportUnknown{event.key});
    attempt.successor.reset();
    attempt.discard = event.mode == StopMode::kDiscard;
    return;
  }
  if (event.mode == StopMode::kDiscard) {
    if (IsLive(attempt)) {
      attempt.discard = true;
      return KillLive(attempt, KillReason::kDiscarded, actions);
    }
    actions.push_back(Discard{attempt.key});
    attempts_.erase(known);
    return;
  }
  if (!IsLive(attempt)) {
    attempt.report_acked = false;
    return Report(attempt, now, actions);
  }
  if (attempt.stage >= Stage::kStopping) return;
  attempt.stage = Stage::kStopping;
  attempt.kill_at = now + settings_.stop_grace;
  actions.push_back(Terminate{attempt.key});
}

void Agent::On(const AttemptFound& event, MonotonicInstant, Actions& actions) {
  if (event.state == FoundState::kUnstarted) return Accept({event.key, event.spec}, actions);
  Attempt attempt{.key = event.key, .launched = true};
  attempt.stage = event.state == FoundState::kRunning ? Stage::kRunning : Stage::kEnded;
  attempt.phase = event.state == FoundState::kEnded ? event.phase : ReportPhase::kStarted;
  attempts_[event.key.job] = attempt;
}

void Agent::On(const TrainerStarted& event, MonotonicInstant now, Actions& actions) {
  Attempt* attempt = Find(event.key);
  if (attempt == nullptr) return;
  attempt->launched = true;
  if (attempt->stage == Stage::kPreparing) attempt->stage = Stage::kRunning;
  Report(*attempt, now, actions);
}

void Agent::On(const AttemptEnded& event, MonotonicInstant now, Actions& actions) {
  Attempt* attempt = Find(event.key);
  if (attempt == nullptr || !IsLive(*attempt)) return;
  attempt->kill_at.reset();
  if (attempt->successor) {
    // The coordinator has already given the job a new attempt: the old end is of no interest.
    const StartRequested successor = *attempt->successor;
    actions.push_back(Forget{attempt->key, event.phase});
    attempts_.erase(event.key.job);
    return Accept(successor, actions);
  }
  if (attempt->discard) {
    actions.push_back(Discard{attempt->key});
    attempts_.erase(event.key.job);
    return;
  }
  attempt->stage = Stage::kEnded;
  attempt->phase = event.phase;
  attempt->report_acked = false;
  Report(*attempt, now, actions);
}

void Agent::On(const EventsDelivered& event, MonotonicInstant now, Actions& actions) {
  Attempt* attempt = Find(event.key);
  if (attempt == nullptr || attempt->stage != Stage::kEnded || attempt->events_delivered) return;
  attempt->events_delivered = true;
  Report(*attempt, now, actions);
}

void Agent::On(const ReportAcked& event, MonotonicInstant, Actions& actions) {
  Attempt* attempt = Find(event.key);
  if (attempt == nullptr || event.phase != attempt->phase) return;
  attempt->report_acked = true;
  attempt->report_at.reset();
  if (attempt->stage != Stage::kEnded) return;
  attempt->stage = Stage::kReported;
  actions.push_back(Forget{attempt->key, attempt->phase});
}

void Agent::On(const SessionOpened& event, MonotonicInstant now, Actions& actions) {
  connected_ = true;
  lease_expired_ = false;
  lease_ = event.lease > Duration{0} ? event.lease : settings_.first_lease;
  lease_from_ = event.registration_sent;
  for (auto& [job, attempt] : attempts_) Report(attempt, now, actions);
}

void Agent::On(const SessionClosed&, MonotonicInstant, Actions&) {
  connected_ = false;
  for (auto& [job, attempt] : attempts_) attempt.report_at.reset();
}

void Agent::On(const HeartbeatAcked& event, MonotonicInstant, Actions&) {
  lease_from_ = std::max(lease_from_, event.sent);
  lease_expired_ = false;
}

void Agent::On(const TimePassed&, MonotonicInstant now, Actions& actions) {
  if (!lease_expired_ && now >= lease_from_ + lease_) ExpireLease(actions);
  for (auto& [job, attempt] : attempts_) {
    if (attempt.kill_at && now >= *attempt.kill_at) {
      KillLive(attempt, KillReason::kStopTimedOut, actions);
    }
    if (attempt.report_at && now >= *attempt.report_at) Report(attempt, now, actions);
  }
}

std::optional<MonotonicInstant> Agent::NextDeadline() const {
  std::optional<MonotonicInstant> next;
  const auto consider = [&next](const std::optional<MonotonicInstant>& t) {
    if (t && (!next || *t < *next)) next = t;
  };
  if (!lease_expired_ && LiveCount() > 0) consider(lease_from_ + lease_);
  for (const auto& [job, attempt] : attempts_) {
    consider(attempt.kill_at);
    consider(attempt.report_at);
  }
  return next;
}

std::vector<SendReport> Agent::Registered() const {
  std::vector<SendReport> list;
  for (const auto& [job, attempt] : attempts_) {
    const bool ended = attempt.stage == Stage::kEnded;
    if (attempt.discard || attempt.successor || attempt.stage == Stage::kReported) continue;
    if (!ended && !attempt.launched) continue;
    const bool final_phase = ended && attempt.events_delivered;
    list.push_back({attempt.key, final_phase ? attempt.phase : ReportPhase::kStarted});
  }
  return list;
}

std::size_t Agent::LiveCount() const {
  return static_cast<std::size_t>(std::count_if(
      attempts_.begin(), attempts_.end(), [](const auto& entry) { return IsLive(entry.second); }));
}

Agent::Attempt* Agent::Find(const AttemptKey& key) {
  const auto found = attempts_.find(key.job);
  if (found == attempts_.end() || found->second.key.attempt != key.attempt) return nullptr;
  return &found->second;
}

void Agent::Accept(const StartRequested& start, Actions& actions) {
  attempts_[start.key.job] = Attempt{.key = start.key};
  actions.push_back(Begin{start.key, start.spec});
}

void Agent::KillLive(Attempt& attempt, KillReason reason, Actions& actions) {
  attempt.kill_at.reset();
  if (attempt.stage == Stage::kKilling) return;
  attempt.stage = Stage::kKilling;
  actions.push_back(Kill{attempt.key, reason});
}

bool Agent::MayReport(const Attempt& attempt) {
  if (attempt.report_acked || attempt.discard || attempt.successor) return false;
  if (attempt.stage == Stage::kEnded) return attempt.events_delivered;
  return attempt.launched && IsLive(attempt);
}

// Sends the newest report where there is one to send, and plans its repetition.
void Agent::Report(Attempt& attempt, MonotonicInstant now, Actions& actions) {
  attempt.report_at.reset();
  // A late repetition of a start after the end was acknowledged: say how it ended once more.
  const bool again = attempt.stage == Stage::kReported && !attempt.report_acked;
  if (!connected_ || !(MayReport(attempt) || again)) return;
  actions.push_back(SendReport{attempt.key, attempt.phase});
  attempt.report_at = now + settings_.report_interval;
}

void Agent::ExpireLease(Actions& actions) {
  lease_expired_ = true;
  for (auto& [job, attempt] : attempts_) {
    if (!IsLive(attempt)) continue;
    // Whoever asked for a successor or a stop may have given the job away by now.
    attempt.successor.reset();
    KillLive(attempt, KillReason::kLeaseExpired, actions);
  }
}

}  // namespace lathe::worker::agent
