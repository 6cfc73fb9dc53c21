#include "coordinator/engine_jobs/answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/engine_jobs/pace.h"

namespace lathe::engine_jobs {
namespace {

using domain::AttemptPhase;
using providers::RemoteState;
using ::testing::HasSubstr;

const domain::AttemptKey kFirstAttempt{domain::JobId("job-0123456789ab"), domain::AttemptNumber(1)};

const providers::Engine& OpenAi() {
  return **providers::FindEngine("openai");
}

providers::RemoteJob Job(RemoteState state) {
  providers::RemoteJob job;
  job.id = "ftjob-1";
  job.state = state;
  job.their_state = "words";
  return job;
}

TEST(Answers, AMarkerNamesJobAndAttempt) {
  EXPECT_EQ(MarkerOf(kFirstAttempt), "job-0123456789ab-1");
}

TEST(Answers, AJobThatGoesOnHasNoEnd) {
  for (const auto state : {RemoteState::kUnknown, RemoteState::kStarting, RemoteState::kRunning}) {
    EXPECT_FALSE(EndOf(OpenAi(), kFirstAttempt, Job(state)));
  }
}

TEST(Answers, EveryEndIsOneOfOurs) {
  auto job = Job(RemoteState::kSucceeded);
  job.model = "ft:x";
  auto end = EndOf(OpenAi(), kFirstAttempt, job);
  EXPECT_EQ(end->phase, AttemptPhase::kSucceeded);
  EXPECT_THAT(end->message, HasSubstr("ft:x"));

  job = Job(RemoteState::kFailed);
  job.error = "too few examples";
  end = EndOf(OpenAi(), kFirstAttempt, job);
  EXPECT_EQ(end->phase, AttemptPhase::kFailed);
  EXPECT_EQ(end->failure_class, domain::FailureClass::kUser) << "trying again costs money";
  EXPECT_EQ(end->message, "OpenAI: too few examples");

  end = EndOf(OpenAi(), kFirstAttempt, Job(RemoteState::kCancelled));
  EXPECT_EQ(end->phase, AttemptPhase::kInterrupted);
  EXPECT_EQ(end->key, kFirstAttempt);
}

TEST(Answers, TheStandingIsOneSentence) {
  auto job = Job(RemoteState::kRunning);
  job.fraction = 0.4;
  EXPECT_EQ(SayStanding(OpenAi(), job), "At OpenAI as ftjob-1: words, 40 % done.");
  EXPECT_THAT(SayStanding(OpenAi(), Job(RemoteState::kUnknown)), HasSubstr("does not know"));
}

TEST(Answers, WhatMayPassIsNotARefusal) {
  for (const auto code : {ErrorCode::kUnavailable, ErrorCode::kDeadlineExceeded,
                          ErrorCode::kResourceExhausted, ErrorCode::kDataLoss}) {
    EXPECT_TRUE(MayPass(code));
  }
  for (const auto code : {ErrorCode::kInvalidArgument, ErrorCode::kUnauthenticated,
                          ErrorCode::kPermissionDenied, ErrorCode::kNotFound}) {
    EXPECT_FALSE(MayPass(code));
  }
}

TEST(PaceTest, CalmJobsAreAskedForLessOften) {
  constexpr Duration kPoll = std::chrono::seconds(10);
  Pace pace(kPoll, 1);
  EXPECT_EQ(pace.AfterAnswer(true), kPoll);
  EXPECT_GT(pace.AfterAnswer(false), kPoll);
  for (int i = 0; i < 20; ++i) EXPECT_LE(pace.AfterAnswer(false), 6 * kPoll);
  EXPECT_EQ(pace.AfterAnswer(false), 6 * kPoll);
  EXPECT_EQ(pace.AfterAnswer(true), kPoll);
}

TEST(PaceTest, AnEngineThatIsAwayIsLeftAlone) {
  constexpr Duration kPoll = std::chrono::seconds(10);
  Pace pace(kPoll, 1);
  EXPECT_LE(pace.AfterNone(), kPoll);
  Duration last{};
  for (int i = 0; i < 10; ++i) last = pace.AfterNone();
  EXPECT_GE(last, 15 * kPoll);
  EXPECT_LE(last, 30 * kPoll);
  pace.AfterAnswer(true);
  EXPECT_LE(pace.AfterNone(), kPoll);
}

}  // namespace
}  // namespace lathe::engine_jobs
