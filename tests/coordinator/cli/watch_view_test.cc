#include "coordinator/cli/commands/watch_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "coordinator/cli/output/format.h"

namespace lathe::cli {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::ResultOf;

v1::Job JobAt(std::uint64_t step, std::uint64_t total) {
  v1::Job job;
  job.set_id("job-abcdefghijkl");
  job.set_state(v1::JOB_STATE_RUNNING);
  job.set_node_id("node-1");
  v1::Progress& progress = *job.mutable_progress();
  progress.set_step(step);
  progress.set_total_steps(total);
  progress.set_fraction(double(step) / double(total));
  progress.set_epoch(1.5);
  progress.set_loss(1.2345);
  progress.set_tokens_per_second(812.3);
  progress.set_eta_seconds(72);
  return job;
}

TEST(WatchView, NumbersOfARunningJob) {
  EXPECT_EQ(NumbersLine(JobAt(42, 84).progress()),
            "42/84 (50 %)  epoch 1.50  loss 1.234  812 tokens/s  ETA 1m 12s");
  v1::Progress measured;
  measured.set_loss(2);
  measured.set_token_accuracy(0.423);
  measured.set_evaluation_loss(2.5);
  measured.set_evaluation_perplexity(12.1825);
  measured.set_evaluation_tool_accuracy(0.75);
  measured.set_evaluation_response_quality(0.412);
  EXPECT_EQ(NumbersLine(measured),
            "loss 2  accuracy 42 %  eval 2.5  perplexity 12.18  tool calls 75 %  quality 41 %");
  EXPECT_EQ(NumbersLine(v1::Progress{}), "");
}

TEST(WatchView, BlockFitsTheTerminal) {
  WatchState state{.job = JobAt(42, 84), .notice = "connection lost; reconnecting ..."};
  state.job.set_name(std::string(200, 'n'));
  for (int i = 0; i < 500; ++i) state.losses.push_back({double(i), 3.0 / (1 + i)});
  for (const int width : {30, 80, 200}) {
    const auto lines = WatchBlock(state, {.out = true, .width = width});
    EXPECT_GE(lines.size(), 9U);
    EXPECT_THAT(lines, Each(ResultOf([](const std::string& line) { return DisplayWidth(line); },
                                     ::testing::Lt(static_cast<std::size_t>(width)))));
  }
}

TEST(WatchView, APendingJobSaysWhy) {
  WatchState state;
  state.job.set_id("job-1");
  state.job.set_state(v1::JOB_STATE_PENDING);
  state.job.set_reason("waiting for a free CPU slot");
  const auto lines = WatchBlock(state, {});
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_THAT(lines[1], HasSubstr("waiting for a free CPU slot"));
}

TEST(WatchView, PipeGetsChangesOfStateAndEachTwentieth) {
  PipeLines lines;
  v1::Job job;
  job.set_state(v1::JOB_STATE_PENDING);
  job.set_reason("waiting for a free CPU slot");
  EXPECT_EQ(lines.Next(job), "pending: waiting for a free CPU slot");
  EXPECT_EQ(lines.Next(job), std::nullopt);
  int shown = 0;
  for (std::uint64_t step = 0; step <= 1000; ++step) {
    if (lines.Next(JobAt(step, 1000))) ++shown;
  }
  EXPECT_EQ(shown, 21);  // the change to running, then 20 twentieths
  job = JobAt(1000, 1000);
  job.set_state(v1::JOB_STATE_SUCCEEDED);
  EXPECT_THAT(lines.Next(job).value_or(""), HasSubstr("succeeded"));
}

}  // namespace
}  // namespace lathe::cli
