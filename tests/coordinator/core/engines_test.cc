// Jobs of an engine beyond the cluster: to the core, a node whose jobs outlive its sessions.

#include "coordinator/core/explain.h"
#include "tests/coordinator/core/core_fixture.h"

namespace lathe::core {
namespace {

using domain::AttemptPhase;
using domain::JobId;
using domain::JobState;
using domain::ReasonCode;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Engines : public CoreTest {
 protected:
  static inline const domain::NodeId kEngine{"engine:openai"};

  static domain::NodeDescription Engine(std::uint32_t places = 2) {
    domain::NodeDescription description{.id = kEngine, .hostname = "OpenAI", .engine = "openai"};
    description.resources.cpu_slots = places;
    return description;
  }
  static domain::JobSpec ForEngine(JobId id = kJob) {
    domain::JobSpec spec = Spec(std::move(id));
    spec.engine = "openai";
    spec.base_model = "gpt";
    return spec;
  }
  void StartThere() {
    Register(Engine());
    Submit(ForEngine());
    ASSERT_THAT(Sent<StartAttempt>(Do(ScheduleDue{})), SizeIs(1));
  }
  Outcome Tell(domain::RemoteJob remote, std::string detail = "", bool away = false) {
    return Do(RemoteReported{Ticket(9),
                             kEngine,
                             {kJob, domain::AttemptNumber(1)},
                             std::move(remote),
                             away,
                             std::move(detail)});
  }
  static constexpr const char* kId = "ftjob-1";
};

TEST_F(Engines, OnlyItsJobsGoThereAndOnlyThere) {
  Register(Engine());
  Register(Describe(kNode));
  Submit(ForEngine());
  Submit(Spec(JobId("job-2")));
  Do(ScheduleDue{});
  EXPECT_EQ(job().node, kEngine);
  EXPECT_EQ(job(JobId("job-2")).node, kNode);
}

TEST_F(Engines, WaitsForItsEngineAndForAPlaceThere) {
  Register(Describe(kNode));
  Submit(ForEngine());
  Do(ScheduleDue{});
  EXPECT_EQ(job().reason.code, ReasonCode::kWaitingForEngine);
  Register(Engine(0));
  Do(ScheduleDue{});
  EXPECT_EQ(job().reason.code, ReasonCode::kWaitingForEngine) << "there, without a key";
  Register(Engine(1));
  Submit(ForEngine(JobId("job-2")));
  Do(ScheduleDue{});
  EXPECT_EQ(job().state, JobState::kStarting);
  EXPECT_EQ(job(JobId("job-2")).reason.code, ReasonCode::kWaitingForResources);
  EXPECT_THAT(job(JobId("job-2")).reason.detail, HasSubstr("OpenAI has as many jobs"));
}

TEST_F(Engines, ANodelessClusterIsNotHiddenByAnEngine) {
  Register(Engine());
  Submit();
  Do(ScheduleDue{});
  EXPECT_EQ(job().reason.code, ReasonCode::kWaitingForNode);
}

TEST_F(Engines, SilenceCostsItNothing) {
  StartThere();
  Wait(std::chrono::minutes(5));
  Do(NodeDisconnected{sessions_[kEngine], kEngine});
  Wait(std::chrono::minutes(5));
  EXPECT_EQ(job().state, JobState::kStarting);
}

TEST_F(Engines, TheNextSessionIsHandedEveryJobWithWhatIsKnown) {
  StartThere();
  Tell({.start_sent = true, .id = kId, .state = "queued"});
  const auto orders = Sent<StartAttempt>(Register(Engine()));
  ASSERT_THAT(orders, SizeIs(1));
  EXPECT_EQ(orders[0].attempt, domain::AttemptNumber(1)) << "the same attempt";
  EXPECT_EQ(orders[0].remote.id, kId);
  EXPECT_THAT(Sent<StopAttempt>(Register(Engine())), IsEmpty());
  Cancel();
  EXPECT_THAT(Sent<StopAttempt>(Register(Engine())), SizeIs(1)) << "the cancellation as well";
}

TEST_F(Engines, ARestartHandsThemOverToo) {
  StartThere();
  Tell({.start_sent = true});
  Records records;
  for (const auto& [id, each] : state_.jobs) records.jobs.push_back(each);
  for (const auto& [id, entry] : state_.nodes) records.nodes.push_back(entry.node);
  state_ = Recover({}, std::move(records), now_);
  Wait(std::chrono::minutes(5));
  const auto orders = Sent<StartAttempt>(Register(Engine()));
  ASSERT_THAT(orders, SizeIs(1));
  EXPECT_TRUE(orders[0].remote.start_sent);
  EXPECT_EQ(job().attempt, domain::AttemptNumber(1));
}

TEST_F(Engines, WhatIsKnownIsCommittedBeforeItIsAnswered) {
  StartThere();
  const Outcome outcome = Tell({.start_sent = true, .id = kId}, "At OpenAI as ftjob-1.");
  ASSERT_THAT(outcome.commit.jobs, SizeIs(1));
  EXPECT_EQ(outcome.commit.jobs[0].remote.id, kId);
  EXPECT_EQ(outcome.commit.jobs[0].reason,
            (domain::Reason{ReasonCode::kAssigned, "At OpenAI as ftjob-1."}));
  ASSERT_THAT(Effects<core::Reply>(outcome), SizeIs(1));
  EXPECT_TRUE(Effects<core::Reply>(outcome)[0].result);
  EXPECT_TRUE(Tell({.start_sent = true, .id = kId}, "At OpenAI as ftjob-1.").commit.Empty())
      << "nothing new";
}

TEST_F(Engines, WhoStartsItHearsOfACancellation) {
  StartThere();
  Cancel();
  const Outcome outcome = Tell({.start_sent = true});
  EXPECT_TRUE(Effects<core::Reply>(outcome)[0].result->cancel_requested);
  Report(kEngine, Said(AttemptPhase::kInterrupted));
  EXPECT_EQ(job().state, JobState::kCancelled);
  EXPECT_EQ(Effects<core::Reply>(Tell({}))[0].result.error().code, ErrorCode::kAborted)
      << "the attempt is over";
}

TEST_F(Engines, AnEngineThatDoesNotAnswerIsSaid) {
  StartThere();
  Tell({}, "OpenAI can't be asked.", /*away=*/true);
  EXPECT_EQ(job().state, JobState::kStarting);
  EXPECT_EQ(job().reason.code, ReasonCode::kEngineAway);
  Report(kEngine, Said(AttemptPhase::kStarted));
  Tell({}, "At OpenAI: running.");
  EXPECT_EQ(job().reason, (domain::Reason{ReasonCode::kTraining, "At OpenAI: running."}));
}

TEST_F(Engines, EndsAsTheEngineSays) {
  StartThere();
  auto report = Said(AttemptPhase::kSucceeded);
  report.message = "Finished; the model is ft:x at OpenAI.";
  Report(kEngine, report);
  EXPECT_EQ(job().state, JobState::kSucceeded);
  EXPECT_EQ(job().reason.detail, report.message);
}

TEST_F(Engines, CancelledThereIsCancelledHereAndNotTriedAgain) {
  StartThere();
  auto report = Said(AttemptPhase::kInterrupted);
  report.message = "Cancelled at OpenAI.";
  Report(kEngine, report);
  EXPECT_EQ(job().state, JobState::kCancelled);
  EXPECT_EQ(job().reason, (domain::Reason{ReasonCode::kCancelled, "Cancelled at OpenAI."}));
}

}  // namespace
}  // namespace lathe::core
