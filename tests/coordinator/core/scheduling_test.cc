#include "coordinator/core/explain.h"
#include "tests/coordinator/core/core_fixture.h"

namespace lathe::core {
namespace {

using domain::JobId;
using domain::JobState;
using domain::ReasonCode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Scheduling : public CoreTest {};

TEST_F(Scheduling, StartIsCommittedWithItsFence) {
  Register(Describe(kNode, 1, 2));
  auto spec = Spec();
  spec.resources = {.gpus = 2, .gpu_type = "a100"};
  Submit(spec);
  const Outcome outcome = Do(ScheduleDue{});
  const auto starts = Sent<StartAttempt>(outcome);
  ASSERT_THAT(starts, SizeIs(1));
  EXPECT_THAT(starts[0].gpus, ElementsAre(0, 1));
  ASSERT_THAT(outcome.commit.jobs, SizeIs(1));
  EXPECT_EQ(outcome.commit.jobs[0].state, JobState::kStarting);
  ASSERT_THAT(outcome.commit.state_events, SizeIs(1));
  EXPECT_EQ(outcome.commit.state_events[0].id, (EventId{1, 0}));
}

TEST_F(Scheduling, NothingIsStartedTwice) {
  Register(Describe(kNode));
  Submit();
  EXPECT_THAT(Sent<StartAttempt>(Do(ScheduleDue{})), SizeIs(1));
  EXPECT_THAT(Sent<StartAttempt>(Do(ScheduleDue{})), IsEmpty());
}

TEST_F(Scheduling, DisconnectedNodesGetNoWork) {
  Register(Describe(kNode));
  Do(NodeDisconnected{sessions_[kNode], kNode});
  Submit();
  EXPECT_THAT(Sent<StartAttempt>(Do(ScheduleDue{})), IsEmpty());
  EXPECT_EQ(job().reason.code, ReasonCode::kWaitingForNode);
}

TEST_F(Scheduling, WaitingJobsSayWhy) {
  Register(Describe(kNode, 1));
  Submit();
  auto large = Spec(JobId("job-2"));
  large.resources.cpu_slots = 5;
  Submit(large);
  auto second = Spec(JobId("job-3"));
  Submit(second);
  auto unknown = Spec(JobId("job-4"));
  unknown.base_model = "huge";
  Submit(unknown);
  Do(ScheduleDue{});
  EXPECT_EQ(job().state, JobState::kStarting);
  EXPECT_EQ(job(JobId("job-2")).reason.code, ReasonCode::kNoNodeFits);
  EXPECT_EQ(job(JobId("job-3")).reason.code, ReasonCode::kWaitingForResources);
  EXPECT_EQ(Sentence(job(JobId("job-3")).reason),
            "Needs 1 CPU slot on one worker; the largest free block is 0.");
  EXPECT_EQ(job(JobId("job-4")).reason.code, ReasonCode::kBaseModelMissing);
  EXPECT_TRUE(Do(ScheduleDue{}).commit.Empty()) << "an unchanged reason is not written again";
}

TEST_F(Scheduling, JobsFarBackAreExplainedWhenAsked) {
  Register(Describe(kNode, 0));
  for (int i = 0; i < 40; ++i) Submit(Spec(JobId("job-" + std::to_string(100 + i))));
  const Outcome outcome = Do(ScheduleDue{});
  EXPECT_THAT(outcome.commit.jobs, SizeIs(16));
  const auto& last = job(JobId("job-139"));
  EXPECT_EQ(last.reason.code, ReasonCode::kQueued);
  EXPECT_EQ(Explain(state_, last, now_).code, ReasonCode::kNoNodeFits);
}

TEST(EventId, IsReadAndWritten) {
  EXPECT_EQ(ToString(EventId{3, EventId::kSeal}), "3-18446744073709551615");
  EXPECT_EQ(ParseEventId("3-18446744073709551615"), (EventId{3, EventId::kSeal}));
  for (const char* text : {"", "3", "3-", "-3", "a-1", "1-2x", "1-18446744073709551616"}) {
    EXPECT_FALSE(ParseEventId(text)) << text;
  }
}

TEST_F(Scheduling, InvariantsSeeWhatIsBroken) {
  StartJob();
  auto& broken = state_.jobs.at(kJob);
  broken.gpus = {0};
  EXPECT_THAT(CheckInvariants(state_), SizeIs(2));
  broken.gpus.clear();
  broken.reason.code = ReasonCode::kQueued;
  EXPECT_THAT(CheckInvariants(state_), SizeIs(1));
  broken.reason.code = ReasonCode::kTraining;
  state_.nodes.at(kNode).cpu_slots_in_use = 0;
  EXPECT_THAT(CheckInvariants(state_), SizeIs(1));
  state_.nodes.at(kNode).cpu_slots_in_use = 1;
}

TEST_F(Scheduling, WaitsForATrainerThatCanDoIt) {
  domain::JobSpec spec = Spec();
  spec.required_features = {"cpu method.type=prefix"};
  Register(Describe(kNode));
  Submit(spec);
  Do(ScheduleDue{});
  EXPECT_EQ(job().reason.code, domain::ReasonCode::kTrainerLacks) << "the node has not told yet";
  const auto told = Do(TrainerTold{sessions_[kNode], kNode, {"cpu method.type=prefix"}});
  EXPECT_THAT(Effects<RequestSchedule>(told), ::testing::SizeIs(1));
  Do(ScheduleDue{});
  EXPECT_EQ(job().state, domain::JobState::kPending);
  EXPECT_THAT(job().reason.detail, ::testing::HasSubstr("node-1 lacks cpu method.type=prefix"));

  Register(Describe(kOther));
  Do(TrainerTold{sessions_[kOther], kOther, {}});
  Do(ScheduleDue{});
  EXPECT_EQ(job().node, kOther);
}

TEST_F(Scheduling, WhatANodeToldHoldsForItsStream) {
  Register(Describe(kNode));
  Do(TrainerTold{domain::SessionId(77), kNode, {"x"}});
  EXPECT_FALSE(state_.nodes.at(kNode).lacks) << "of another stream";
  Do(TrainerTold{sessions_[kNode], kNode, {"x"}});
  EXPECT_EQ(state_.nodes.at(kNode).lacks, std::vector<std::string>{"x"});
  const auto again = Do(TrainerTold{sessions_[kNode], kNode, {"x"}});
  EXPECT_THAT(Effects<RequestSchedule>(again), ::testing::IsEmpty());
  Register(Describe(kNode));
  EXPECT_FALSE(state_.nodes.at(kNode).lacks) << "its trainer may be another one now";
}

}  // namespace
}  // namespace lathe::core
