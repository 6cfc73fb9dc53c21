#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "common/domain/attempt.h"
#include "common/domain/job_state.h"
#include "common/domain/lease.h"
#include "common/domain/progress.h"
#include "common/domain/reason.h"
#include "common/domain/resources.h"

namespace lathe::domain {
namespace {

TEST(JobState, IsFinalOrLiveOrWaits) {
  EXPECT_TRUE(IsLive(JobState::kStarting) && IsLive(JobState::kRunning));
  for (const auto state : {JobState::kSucceeded, JobState::kFailed, JobState::kCancelled}) {
    EXPECT_TRUE(IsFinal(state));
    EXPECT_FALSE(IsLive(state));
  }
  EXPECT_FALSE(IsFinal(JobState::kPaused) || IsLive(JobState::kPending));
  EXPECT_EQ(ToString(JobState::kPending), "pending");
}

TEST(Reason, EveryCodeHasItsOwnTokenAndASentence) {
  std::set<std::string> tokens;
  int codes = 0;
  for (int i = 0; i < 256; ++i) {
    const auto code = static_cast<ReasonCode>(i);
    if (ToString(code) == "unknown") continue;
    ++codes;
    EXPECT_TRUE(tokens.emplace(ToString(code)).second) << ToString(code);
    EXPECT_TRUE(Sentence({code, ""}).ends_with('.')) << Sentence({code, ""});
  }
  EXPECT_EQ(codes, 20);
  EXPECT_EQ(Sentence({ReasonCode::kQueued, "More."}), "More.");
}

TEST(Resources, SuitByTypeAndMemory) {
  const Gpu gpu{0, "uuid", "NVIDIA A100-SXM4-40GB", 40ULL << 30};
  EXPECT_TRUE(Suits(gpu, {.gpus = 1}));
  EXPECT_TRUE(Suits(gpu, {.gpus = 1, .gpu_type = "a100"}));
  EXPECT_FALSE(Suits(gpu, {.gpus = 1, .gpu_type = "H100"}));
  EXPECT_FALSE(Suits(gpu, {.gpus = 1, .min_gpu_memory_bytes = 41ULL << 30}));
}

TEST(Resources, AreDescribed) {
  EXPECT_EQ(Describe({.cpu_slots = 1}), "1 CPU slot");
  EXPECT_EQ(Describe({.gpus = 2, .gpu_type = "A100", .min_gpu_memory_bytes = 41ULL << 29}),
            "2 GPUs of type A100 with at least 20.5 GiB");
}

TEST(Progress, StepsOfAnOlderRunSentLateAreNoPace) {
  using std::chrono::seconds;
  Progress progress;
  const Instant old_run = FromMicros(0);
  const Instant new_run = old_run + seconds(3600);
  Apply(progress, {.time = old_run, .step = 10, .total_steps = 30});
  Apply(progress, {.time = new_run, .phase = "training"});
  Apply(progress, {.time = new_run, .step = 11});
  EXPECT_FALSE(EtaSeconds(progress));
  Apply(progress, {.time = new_run + seconds(2), .step = 12});
  EXPECT_DOUBLE_EQ(*EtaSeconds(progress), 36.0);
}

TEST(Progress, TellsFractionAndEta) {
  Progress progress;
  EXPECT_EQ(Fraction(progress), 0);
  EXPECT_FALSE(EtaSeconds(progress));
  Apply(progress, {.time = FromMicros(0), .step = 1, .total_steps = 11});
  EXPECT_FALSE(EtaSeconds(progress));
  Apply(progress, {.time = FromMicros(10'000'000), .step = 6, .loss = 2.0});
  EXPECT_DOUBLE_EQ(*EtaSeconds(progress), 10.0);
  RestartPace(progress);
  EXPECT_FALSE(EtaSeconds(progress)) << "another attempt, perhaps on another machine";
  EXPECT_EQ(progress.step, 6U);
  EXPECT_EQ(progress.loss, 2.0);
}

TEST(Progress, IgnoresWhatLiesBehind) {
  Progress progress;
  Apply(progress, {.step = 5, .loss = 1.0});
  Apply(progress, {.step = 4, .loss = 3.0, .evaluation_loss = 0.5, .phase = "evaluating"});
  EXPECT_EQ(progress.step, 5U);
  EXPECT_EQ(progress.loss, 1.0);
  EXPECT_EQ(progress.evaluation_loss, 0.5);
  EXPECT_EQ(progress.phase, "evaluating");
}

TEST(Lease, IsOverAfterLeaseAndGrace) {
  const LeaseTerms terms;
  const MonotonicInstant heard{std::chrono::seconds(100)};
  const Lease lease = Lease::From(heard, terms);
  EXPECT_FALSE(lease.OverAt(heard + terms.lease));
  EXPECT_TRUE(lease.OverAt(heard + terms.lease + terms.grace));
}

TEST(Attempt, HasStableTokens) {
  EXPECT_EQ(ToString(AttemptPhase::kInterrupted), "interrupted");
  EXPECT_EQ(ToString(FailureClass::kOutOfMemory), "out_of_memory");
}

}  // namespace
}  // namespace lathe::domain
