#include "coordinator/core/attempts.h"

#include "coordinator/core/explain.h"
#include "tests/coordinator/core/core_fixture.h"

namespace lathe::core {
namespace {

using domain::AttemptNumber;
using domain::AttemptPhase;
using domain::FailureClass;
using domain::JobState;
using domain::ReasonCode;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Attempts : public CoreTest {
 protected:
  /// Waits out the back-off and starts the next attempt.
  void Retry() {
    for (int i = 0; i < 70 && job().state == JobState::kPending; ++i) {
      Advance(std::chrono::seconds(1));
      for (const auto& [node, session] : sessions_) Beat(node);
      Do(Ticked{});
      Do(ScheduleDue{});
    }
    ASSERT_EQ(job().state, JobState::kStarting);
  }
};

TEST_F(Attempts, SuccessKeepsTheAdapterAndFreesTheNode) {
  StartJob();
  auto report = Said(AttemptPhase::kSucceeded);
  report.adapter.files = {{"adapter.safetensors", {"hash", 3}}};
  const Outcome outcome = Report(kNode, report);
  EXPECT_EQ(job().state, JobState::kSucceeded);
  EXPECT_EQ(job().adapter, report.adapter);
  EXPECT_EQ(outcome.commit.state_events[0].id, (EventId{1, EventId::kSeal}));
  EXPECT_THAT(Sent<AcknowledgeReport>(outcome), SizeIs(1));
  EXPECT_THAT(Effects<RequestSchedule>(outcome), SizeIs(1));
  EXPECT_EQ(state_.nodes.at(kNode).cpu_slots_in_use, 0U);
}

TEST_F(Attempts, EndMayOvertakeTheStart) {
  Register(Describe(kNode));
  Submit();
  Do(ScheduleDue{});
  Report(kNode, Said(AttemptPhase::kSucceeded));
  EXPECT_EQ(job().state, JobState::kSucceeded);
}

TEST_F(Attempts, RepeatedReportIsAcknowledgedAndChangesNothing) {
  StartJob();
  Report(kNode, Said(AttemptPhase::kSucceeded));
  const Outcome again = Report(kNode, Said(AttemptPhase::kSucceeded));
  EXPECT_TRUE(again.commit.Empty());
  EXPECT_THAT(Sent<AcknowledgeReport>(again), SizeIs(1));
  EXPECT_THAT(Sent<StopAttempt>(again), IsEmpty());
}

TEST_F(Attempts, UserErrorIsNeverRetried) {
  StartJob();
  auto report = Failed(FailureClass::kUser);
  report.findings = {{.path = "train.jsonl:3", .message = "not JSON"}};
  Report(kNode, report);
  EXPECT_EQ(job().state, JobState::kFailed);
  EXPECT_EQ(job().reason.code, ReasonCode::kUserError);
  EXPECT_EQ(Sentence(job().reason), "its words; train.jsonl:3: not JSON");
}

TEST_F(Attempts, OutOfMemoryFailsWithAdvice) {
  StartJob();
  const Outcome outcome = Report(kNode, Failed(FailureClass::kOutOfMemory));
  EXPECT_EQ(job().reason.code, ReasonCode::kOutOfMemory);
  EXPECT_THAT(Sentence(job().reason), HasSubstr("micro-batch"));
  EXPECT_EQ(outcome.commit.transitions[0].failure_class, FailureClass::kOutOfMemory);
}

TEST_F(Attempts, FaultIsRetriedAfterAWhile) {
  StartJob();
  Report(kNode, Failed(FailureClass::kFault));
  EXPECT_EQ(job().state, JobState::kPending);
  EXPECT_EQ(job().reason.code, ReasonCode::kWaitingForRetry);
  EXPECT_THAT(Sent<StartAttempt>(Do(ScheduleDue{})), IsEmpty());
  EXPECT_EQ(Explain(state_, job(), now_).code, ReasonCode::kWaitingForRetry);
  Advance(std::chrono::milliseconds(1100));
  const Outcome due = Do(Ticked{});
  EXPECT_THAT(Effects<RequestSchedule>(due), SizeIs(1));
  EXPECT_EQ(job().reason.code, ReasonCode::kQueued);
  const auto starts = Sent<StartAttempt>(Do(ScheduleDue{}));
  ASSERT_THAT(starts, SizeIs(1));
  EXPECT_EQ(starts[0].attempt, AttemptNumber(2));
}

TEST_F(Attempts, ThirdFaultWithoutProgressIsTheLast) {
  StartJob();
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    Report(kNode, Failed(FailureClass::kFault, attempt));
    if (attempt < 3) Retry();
  }
  EXPECT_EQ(job().state, JobState::kFailed);
  EXPECT_EQ(job().reason.code, ReasonCode::kTooManyFaults);
  EXPECT_THAT(Sentence(job().reason), HasSubstr("3 times"));
}

TEST_F(Attempts, ProgressForgivesEarlierFaults) {
  StartJob();
  for (std::uint32_t attempt = 1; attempt <= 5; ++attempt) {
    auto report = Failed(FailureClass::kFault, attempt);
    report.checkpoint = {attempt * 10, {{{"f", {"h", 1}}}}};
    Report(kNode, report);
    ASSERT_EQ(job().state, JobState::kPending);
    EXPECT_EQ(job().faults, 1U);
    Retry();
  }
  EXPECT_EQ(job().checkpoint.step, 50U);
}

TEST_F(Attempts, RepeatedFaultsOnANodePreferAnother) {
  StartJob();
  Register(Describe(kOther, 1));
  Report(kNode, Failed(FailureClass::kFault, 1));
  Retry();
  EXPECT_EQ(job().node, kNode) << "one crash says little, and the folder is there";
  Report(kNode, Failed(FailureClass::kFault, 2));
  Retry();
  EXPECT_EQ(job().node, kOther);
}

TEST_F(Attempts, InterruptionIsFreeAndGoesOnFromTheCheckpoint) {
  StartJob();
  auto report = Said(AttemptPhase::kInterrupted);
  report.checkpoint = {12, {{{"f", {"h", 1}}}}};
  Report(kNode, report);
  EXPECT_EQ(job().state, JobState::kPending);
  EXPECT_EQ(job().faults, 0U);
  const auto starts = Sent<StartAttempt>(Do(ScheduleDue{}));
  ASSERT_THAT(starts, SizeIs(1));
  EXPECT_EQ(starts[0].checkpoint.step, 12U);
}

TEST_F(Attempts, StaleAttemptIsAcknowledgedStoppedAndIgnored) {
  StartJob();
  Report(kNode, Said(AttemptPhase::kInterrupted));
  Do(ScheduleDue{});
  ASSERT_EQ(job().attempt, AttemptNumber(2));
  const Outcome started = Report(kNode, Said(AttemptPhase::kStarted, 1));
  EXPECT_TRUE(started.commit.Empty());
  EXPECT_EQ(Sent<StopAttempt>(started)[0].mode, StopMode::kDiscard);
  const Outcome succeeded = Report(kNode, Said(AttemptPhase::kSucceeded, 1));
  EXPECT_TRUE(succeeded.commit.Empty());
  EXPECT_THAT(Sent<AcknowledgeReport>(succeeded), SizeIs(1));
  EXPECT_EQ(job().state, JobState::kStarting);
}

TEST_F(Attempts, OtherNodesHaveNoSay) {
  StartJob();
  Register(Describe(kOther));
  const Outcome outcome = Report(kOther, Said(AttemptPhase::kSucceeded));
  EXPECT_TRUE(outcome.commit.Empty());
  EXPECT_EQ(job().state, JobState::kRunning);
}

TEST_F(Attempts, StreamsThatAreOverAreNotHeard) {
  StartJob();
  const auto old_session = sessions_[kNode];
  Register(Describe(kNode), {Said(AttemptPhase::kStarted)});
  const Outcome late = Do(AttemptReported{old_session, kNode, Said(AttemptPhase::kInterrupted)});
  EXPECT_TRUE(late.commit.Empty());
  EXPECT_THAT(late.after_commit, IsEmpty());
  EXPECT_EQ(job().state, JobState::kRunning);
}

TEST_F(Attempts, CheckpointsOnlyGoForward) {
  StartJob();
  const auto store = [&](std::uint64_t step, std::uint32_t attempt) {
    return Do(CheckpointStored{
        sessions_[kNode], kNode, {kJob, AttemptNumber(attempt)}, {step, {{{"f", {"h", 1}}}}}});
  };
  EXPECT_FALSE(store(20, 1).commit.Empty());
  EXPECT_TRUE(store(10, 1).commit.Empty());
  EXPECT_TRUE(store(30, 2).commit.Empty()) << "not the live attempt";
  EXPECT_EQ(job().checkpoint.step, 20U);
}

TEST_F(Attempts, EventsMoveProgressForwardOnly) {
  StartJob();
  const auto store = [&](std::uint64_t step, double loss) {
    domain::ProgressUpdate update{.time = now_.wall, .step = step, .total_steps = 10, .loss = loss};
    return Do(EventsStored{{kJob, AttemptNumber(1)}, update});
  };
  EXPECT_FALSE(store(3, 1.5).commit.Empty());
  EXPECT_TRUE(store(2, 9.0).commit.Empty());
  EXPECT_EQ(job().progress.step, 3U);
  EXPECT_EQ(job().progress.loss, 1.5);
  EXPECT_DOUBLE_EQ(Fraction(job().progress), 0.3);
}

TEST_F(Attempts, BackOffDoublesUpToALimit) {
  const Settings settings;
  EXPECT_EQ(RetryDelay(settings, 1), std::chrono::seconds(1));
  EXPECT_EQ(RetryDelay(settings, 3), std::chrono::seconds(4));
  EXPECT_EQ(RetryDelay(settings, 50), std::chrono::seconds(60));
}

}  // namespace
}  // namespace lathe::core
