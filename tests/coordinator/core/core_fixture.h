#pragma once
// A core under test: steps events, checks the invariants after each, and finds effects.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "coordinator/core/step.h"

namespace lathe::core {

class CoreTest : public ::testing::Test {
 protected:
  static inline const domain::NodeId kNode{"node-1"};
  static inline const domain::NodeId kOther{"node-2"};
  static inline const domain::JobId kJob{"job-1"};

  Outcome Do(Event event) {
    Outcome outcome = Step(state_, std::move(event), now_);
    EXPECT_THAT(CheckInvariants(state_), ::testing::IsEmpty());
    if (!outcome.commit.Empty()) commits_.push_back(outcome.commit);
    return outcome;
  }

  void Advance(Duration by) {
    now_.wall += by;
    now_.monotonic += by;
  }
  /// Time in small steps, as a loop that is not stopped sees it; nodes stay silent.
  void Wait(Duration by) {
    for (Duration passed{}; passed < by; passed += std::chrono::milliseconds(500)) {
      Advance(std::chrono::milliseconds(500));
      Do(Ticked{});
    }
  }

  static domain::NodeDescription Describe(domain::NodeId id, std::uint32_t slots = 2,
                                          std::uint32_t gpus = 0) {
    domain::NodeDescription description{.id = std::move(id), .models = {"tiny"}};
    description.resources.cpu_slots = slots;
    description.resources.cuda = gpus > 0;
    for (std::uint32_t i = 0; i < gpus; ++i) {
      description.resources.gpus.push_back({i, "uuid", "NVIDIA A100", 40ULL << 30});
    }
    return description;
  }
  static domain::JobSpec Spec(domain::JobId id = kJob) {
    domain::JobSpec spec{.id = std::move(id)};
    spec.configuration_hash = "hash";
    spec.payload_hash = "payload";
    spec.base_model = "tiny";
    spec.resources.cpu_slots = 1;
    return spec;
  }

  Outcome Submit(domain::JobSpec spec = Spec()) {
    return Do(JobSubmitted{Ticket(1), std::move(spec), "bytes"});
  }
  Outcome Register(domain::NodeDescription description,
                   std::vector<domain::AttemptReport> attempts = {}) {
    const domain::SessionId session(++last_session_);
    sessions_[description.id] = session;
    return Do(NodeRegistered{session, std::move(description), std::move(attempts)});
  }
  Outcome Beat(const domain::NodeId& node) {
    return Do(HeartbeatReceived{sessions_[node], node, 7});
  }
  Outcome Report(const domain::NodeId& node, domain::AttemptReport report) {
    return Do(AttemptReported{sessions_[node], node, std::move(report)});
  }
  Outcome Cancel(std::string reason = "") {
    return Do(CancelRequested{Ticket(2), kJob, std::move(reason)});
  }

  domain::AttemptReport Said(domain::AttemptPhase phase, std::uint32_t attempt = 1) const {
    return {.key = {kJob, domain::AttemptNumber(attempt)}, .phase = phase};
  }
  domain::AttemptReport Failed(domain::FailureClass failure_class,
                               std::uint32_t attempt = 1) const {
    auto report = Said(domain::AttemptPhase::kFailed, attempt);
    report.failure_class = failure_class;
    report.message = "its words";
    return report;
  }

  /// One node, the job on it, its trainer started.
  void StartJob(domain::NodeDescription description = Describe(kNode)) {
    const domain::NodeId node = description.id;
    Register(std::move(description));
    Submit();
    Do(ScheduleDue{});
    Report(node, Said(domain::AttemptPhase::kStarted));
    ASSERT_EQ(job().state, domain::JobState::kRunning);
  }

  const domain::Job& job(const domain::JobId& id = kJob) const { return state_.jobs.at(id); }

  /// The commands of one kind in an outcome.
  template <class Command>
  static std::vector<Command> Sent(const Outcome& outcome) {
    std::vector<Command> found;
    for (const Effect& effect : outcome.after_commit) {
      const auto* send = std::get_if<SendToNode>(&effect);
      if (send == nullptr) continue;
      if (const auto* command = std::get_if<Command>(&send->command)) found.push_back(*command);
    }
    return found;
  }
  template <class Wanted>
  static std::vector<Wanted> Effects(const Outcome& outcome) {
    std::vector<Wanted> found;
    for (const Effect& effect : outcome.after_commit) {
      if (const auto* wanted = std::get_if<Wanted>(&effect)) found.push_back(*wanted);
    }
    return found;
  }

  State state_;
  Now now_{FromMicros(1'000'000'000), MonotonicInstant(std::chrono::seconds(1000))};
  std::map<domain::NodeId, domain::SessionId> sessions_;
  std::vector<Commit> commits_;
  std::uint64_t last_session_ = 0;
};

}  // namespace lathe::core
