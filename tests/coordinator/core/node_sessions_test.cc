#include "tests/coordinator/core/core_fixture.h"

namespace lathe::core {
namespace {

using domain::AttemptNumber;
using domain::AttemptPhase;
using domain::JobState;
using domain::NodeState;
using domain::ReasonCode;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class NodeSessions : public CoreTest {};

TEST_F(NodeSessions, WelcomeIsTheFirstWord) {
  const Outcome outcome = Register(Describe(kNode));
  ASSERT_THAT(outcome.commit.nodes, SizeIs(1));
  const auto sent = Effects<SendToNode>(outcome);
  ASSERT_FALSE(sent.empty());
  EXPECT_TRUE(std::holds_alternative<Welcome>(sent[0].command));
  EXPECT_THAT(Effects<RequestSchedule>(outcome), SizeIs(1));
}

TEST_F(NodeSessions, NewerStreamReplacesTheOlder) {
  Register(Describe(kNode));
  const auto old_session = sessions_[kNode];
  const Outcome outcome = Register(Describe(kNode));
  ASSERT_THAT(Effects<CloseSession>(outcome), SizeIs(1));
  EXPECT_EQ(Effects<CloseSession>(outcome)[0].session, old_session);
  Do(NodeDisconnected{old_session, kNode});
  EXPECT_TRUE(state_.nodes.at(kNode).connected()) << "the end of the older stream says nothing";
}

TEST_F(NodeSessions, HeartbeatsAreAcknowledgedAndKeepTheLease) {
  Register(Describe(kNode));
  for (int i = 0; i < 40; ++i) {
    Advance(std::chrono::seconds(1));
    EXPECT_THAT(Sent<AcknowledgeHeartbeat>(Beat(kNode)), SizeIs(1));
    Do(Ticked{});
  }
  EXPECT_EQ(state_.nodes.at(kNode).node.state, NodeState::kReady);
  EXPECT_THAT(Do(HeartbeatReceived{domain::SessionId(99), kNode, 1}).after_commit, IsEmpty());
}

TEST_F(NodeSessions, SilentNodeLosesItsJobsAfterLeaseAndGraceNotBefore) {
  StartJob();
  Wait(std::chrono::milliseconds(14500));
  EXPECT_EQ(job().state, JobState::kRunning);
  Wait(std::chrono::milliseconds(1000));
  EXPECT_EQ(job().state, JobState::kPending);
  EXPECT_EQ(job().reason.code, ReasonCode::kNodeLost);
  EXPECT_EQ(job().faults, 0U);
  EXPECT_EQ(state_.nodes.at(kNode).node.state, NodeState::kLost);
  EXPECT_FALSE(state_.nodes.at(kNode).connected());
}

TEST_F(NodeSessions, LostNodeMustRegisterAgain) {
  StartJob();
  Wait(std::chrono::seconds(16));
  EXPECT_THAT(Beat(kNode).after_commit, IsEmpty());
  const Outcome back = Register(Describe(kNode), {Said(AttemptPhase::kStarted)});
  EXPECT_EQ(state_.nodes.at(kNode).node.state, NodeState::kReady);
  const auto stops = Sent<StopAttempt>(back);
  ASSERT_THAT(stops, SizeIs(1));
  EXPECT_EQ(stops[0].mode, StopMode::kCheckpoint) << "its job waits: the checkpoint is of use";
}

TEST_F(NodeSessions, OwnAbsenceDoesNotCostTheNodesTheirLease) {
  StartJob();
  Advance(std::chrono::seconds(30));
  Do(Ticked{});
  EXPECT_EQ(job().state, JobState::kRunning);
  Wait(std::chrono::seconds(16));
  EXPECT_EQ(job().state, JobState::kPending) << "but silence still does";
}

TEST_F(NodeSessions, AttemptThatTheNodeStillHasGoesOn) {
  StartJob();
  Do(NodeDisconnected{sessions_[kNode], kNode});
  const Outcome back = Register(Describe(kNode), {Said(AttemptPhase::kStarted)});
  EXPECT_THAT(Sent<StopAttempt>(back), IsEmpty());
  EXPECT_EQ(job().state, JobState::kRunning);
  EXPECT_EQ(job().attempt, AttemptNumber(1));
}

TEST_F(NodeSessions, AttemptThatTheNodeNoLongerHasIsLost) {
  StartJob();
  Register(Describe(kNode));
  EXPECT_EQ(job().state, JobState::kPending);
  EXPECT_EQ(job().reason.code, ReasonCode::kAttemptLost);
}

TEST_F(NodeSessions, UnknownAttemptsAreDiscarded) {
  const Outcome outcome = Register(Describe(kNode), {Said(AttemptPhase::kStarted)});
  ASSERT_THAT(Sent<StopAttempt>(outcome), SizeIs(1));
  EXPECT_EQ(Sent<StopAttempt>(outcome)[0].mode, StopMode::kDiscard);
}

TEST_F(NodeSessions, EndThatIsToldWithTheRegistrationCounts) {
  StartJob();
  const Outcome outcome = Register(Describe(kNode), {Said(AttemptPhase::kSucceeded)});
  EXPECT_EQ(job().state, JobState::kSucceeded);
  EXPECT_THAT(Sent<AcknowledgeReport>(outcome), SizeIs(1));
}

TEST_F(NodeSessions, RecoveryGoesOnWhereTheRecordsStand) {
  StartJob(Describe(kNode, 2, 2));
  auto gpu_job = Spec(domain::JobId("job-2"));
  gpu_job.request_id = "r";
  gpu_job.resources = {.gpus = 1};
  Submit(gpu_job);
  Do(ScheduleDue{});
  Records records;
  for (const auto& [id, job] : state_.jobs) records.jobs.push_back(job);
  for (const auto& [id, entry] : state_.nodes) records.nodes.push_back(entry.node);
  const auto jobs = state_.jobs;
  state_ = Recover({}, records, now_);
  EXPECT_THAT(CheckInvariants(state_), IsEmpty());
  EXPECT_EQ(state_.jobs, jobs);
  EXPECT_THAT(state_.nodes.at(kNode).gpus_in_use, SizeIs(1));
  EXPECT_EQ(Effects<Reply>(Submit(gpu_job))[0].result->id(), gpu_job.id);
  Register(Describe(kNode, 2, 2), {Said(AttemptPhase::kStarted)});
  EXPECT_EQ(job().state, JobState::kRunning);
  EXPECT_EQ(job(gpu_job.id).state, JobState::kPending);
}

TEST_F(NodeSessions, NodeThatDoesNotComeBackAfterARestartIsLost) {
  StartJob();
  state_ = Recover({}, {{job()}, {state_.nodes.at(kNode).node}}, now_);
  Wait(std::chrono::seconds(14));
  EXPECT_EQ(job().state, JobState::kRunning);
  Wait(std::chrono::seconds(2));
  EXPECT_EQ(job().state, JobState::kPending);
}

}  // namespace
}  // namespace lathe::core
