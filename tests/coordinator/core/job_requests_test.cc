#include "tests/coordinator/core/core_fixture.h"

namespace lathe::core {
namespace {

using domain::JobState;
using domain::ReasonCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class JobRequests : public CoreTest {};

TEST_F(JobRequests, SubmissionIsCommittedBeforeItIsAnswered) {
  const Outcome outcome = Submit();
  ASSERT_THAT(outcome.commit.jobs, SizeIs(1));
  EXPECT_EQ(outcome.commit.sequence, 1U);
  EXPECT_EQ(outcome.commit.jobs[0].revision, 1U);
  ASSERT_THAT(outcome.commit.configurations, SizeIs(1));
  EXPECT_EQ(outcome.commit.configurations[0].bytes, "bytes");
  ASSERT_THAT(outcome.commit.state_events, SizeIs(1));
  EXPECT_EQ(outcome.commit.state_events[0].id, (EventId{0, 1}));
  const auto replies = Effects<Reply>(outcome);
  ASSERT_THAT(replies, SizeIs(1));
  EXPECT_EQ(*replies[0].result, job());
  EXPECT_THAT(Effects<RequestSchedule>(outcome), SizeIs(1));
}

TEST_F(JobRequests, EqualConfigurationsAreStoredOnce) {
  Submit();
  EXPECT_THAT(Submit(Spec(domain::JobId("job-2"))).commit.configurations, IsEmpty());
}

TEST_F(JobRequests, SameRequestIdGivesTheSameJob) {
  auto spec = Spec();
  spec.request_id = "r";
  Submit(spec);
  spec.id = domain::JobId("job-2");
  const Outcome again = Submit(spec);
  EXPECT_TRUE(again.commit.Empty());
  EXPECT_EQ(Effects<Reply>(again)[0].result->id(), kJob);
  EXPECT_THAT(state_.jobs, SizeIs(1));
}

TEST_F(JobRequests, CountsWhatTheJobIsMadeFromOnceForEachJob) {
  auto spec = Spec();
  spec.request_id = "r";
  const UsedResource used{"saved_configuration", "ann/a"};
  const Outcome first = Do(JobSubmitted{Ticket(1), spec, "bytes", used});
  ASSERT_THAT(first.commit.uses, SizeIs(1));
  EXPECT_EQ(first.commit.uses[0].kind, "saved_configuration");
  EXPECT_EQ(first.commit.uses[0].key, "ann/a");
  EXPECT_EQ(first.commit.uses[0].time, first.commit.jobs[0].created);
  EXPECT_THAT(Do(JobSubmitted{Ticket(2), spec, "bytes", used}).commit.uses, IsEmpty());
}

TEST_F(JobRequests, RequestIdOfAnotherPayloadIsRefused) {
  auto spec = Spec();
  spec.request_id = "r";
  Submit(spec);
  spec.payload_hash = "other";
  const auto reply = Effects<Reply>(Submit(spec))[0];
  ASSERT_FALSE(reply.result);
  EXPECT_EQ(reply.result.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(reply.result.error().message, HasSubstr("job-1"));
}

TEST_F(JobRequests, RequestIdsBelongToTheirOwnerAndAreForgottenInTime) {
  auto spec = Spec();
  spec.request_id = "r";
  Submit(spec);
  spec.id = domain::JobId("job-2");
  spec.owner = "somebody else";
  Submit(spec);
  EXPECT_THAT(state_.jobs, SizeIs(2));
  Advance(std::chrono::hours(25));
  spec.id = domain::JobId("job-3");
  Submit(spec);
  EXPECT_THAT(state_.jobs, SizeIs(3));
}

TEST_F(JobRequests, TakenJobIdIsRefused) {
  Submit();
  EXPECT_EQ(Effects<Reply>(Submit())[0].result.error().code, ErrorCode::kAborted);
}

TEST_F(JobRequests, PendingJobIsCancelledAtOnce) {
  Submit();
  const Outcome outcome = Cancel("wrong data");
  EXPECT_EQ(job().state, JobState::kCancelled);
  EXPECT_EQ(Sentence(job().reason), "Cancelled: wrong data");
  EXPECT_EQ(job().ended, now_.wall);
  EXPECT_EQ(outcome.commit.state_events[0].id, (EventId{0, 2}));
  EXPECT_EQ(Effects<Reply>(outcome)[0].result->state, JobState::kCancelled);
  Register(Describe(kNode));
  EXPECT_THAT(Sent<StartAttempt>(Do(ScheduleDue{})), IsEmpty());
}

TEST_F(JobRequests, CancellingTwiceIsOneCancellation) {
  Submit();
  Cancel();
  const Outcome again = Cancel();
  EXPECT_TRUE(again.commit.Empty());
  EXPECT_TRUE(Effects<Reply>(again)[0].result);
}

TEST_F(JobRequests, UnknownAndEndedJobsCannotBeCancelled) {
  EXPECT_EQ(Effects<Reply>(Cancel())[0].result.error().code, ErrorCode::kNotFound);
  StartJob();
  Report(kNode, Said(domain::AttemptPhase::kSucceeded));
  EXPECT_EQ(Effects<Reply>(Cancel())[0].result.error().code, ErrorCode::kFailedPrecondition);
}

TEST_F(JobRequests, RunningJobIsStoppedAndCancelledByItsReport) {
  StartJob();
  const Outcome outcome = Cancel();
  const auto stops = Sent<StopAttempt>(outcome);
  ASSERT_THAT(stops, SizeIs(1));
  EXPECT_EQ(stops[0].mode, StopMode::kCheckpoint);
  EXPECT_EQ(job().state, JobState::kRunning);
  EXPECT_EQ(job().reason.code, ReasonCode::kCancelling);
  EXPECT_THAT(Sent<StopAttempt>(Cancel()), IsEmpty());
  Report(kNode, Said(domain::AttemptPhase::kInterrupted));
  EXPECT_EQ(job().state, JobState::kCancelled);
}

TEST_F(JobRequests, StartThatCrossesACancellationStaysCancelling) {
  Register(Describe(kNode));
  Submit();
  Do(ScheduleDue{});
  Cancel();
  Report(kNode, Said(domain::AttemptPhase::kStarted));
  EXPECT_EQ(job().reason.code, ReasonCode::kCancelling);
}

TEST_F(JobRequests, FailureOfACancelledJobIsACancellationButSuccessIsSuccess) {
  StartJob();
  Cancel();
  Report(kNode, Failed(domain::FailureClass::kFault));
  EXPECT_EQ(job().state, JobState::kCancelled);
}

TEST_F(JobRequests, SuccessThatCrossesACancellationCounts) {
  StartJob();
  Cancel();
  Report(kNode, Said(domain::AttemptPhase::kSucceeded));
  EXPECT_EQ(job().state, JobState::kSucceeded);
}

TEST_F(JobRequests, CancellationDoesNotWaitForANodeThatNeverComesBack) {
  StartJob();
  Do(NodeDisconnected{sessions_[kNode], kNode});
  EXPECT_THAT(Sent<StopAttempt>(Cancel()), IsEmpty());
  Wait(std::chrono::seconds(16));
  EXPECT_EQ(job().state, JobState::kCancelled);
}

TEST_F(JobRequests, CancellationReachesANodeThatComesBack) {
  StartJob();
  Do(NodeDisconnected{sessions_[kNode], kNode});
  Cancel();
  const Outcome outcome = Register(Describe(kNode), {Said(domain::AttemptPhase::kStarted)});
  EXPECT_THAT(Sent<StopAttempt>(outcome), SizeIs(1));
}

}  // namespace
}  // namespace lathe::core
