#include "worker/trainer/loop/milestones.h"

#include <gtest/gtest.h>

namespace lathe::trainer::loop {
namespace {

std::vector<std::int64_t> Saves(const Milestones& milestones) {
  std::vector<std::int64_t> steps;
  for (std::int64_t step = 1; step <= milestones.total_steps; ++step) {
    if (milestones.IsSave(step)) steps.push_back(step);
  }
  return steps;
}

TEST(MilestonesTest, CheckpointsAreSpreadEvenlyAndEndWithTheRun) {
  EXPECT_EQ(Saves({.total_steps = 10, .checkpoints = 3}), (std::vector<std::int64_t>{4, 7, 10}));
  EXPECT_EQ(Saves({.total_steps = 2, .checkpoints = 5}), (std::vector<std::int64_t>{1, 2}));
  EXPECT_TRUE(Saves({.total_steps = 10, .checkpoints = 0}).empty());
}

TEST(MilestonesTest, AStepCountComesFirst) {
  EXPECT_EQ(Saves({.total_steps = 8, .checkpoints = 1, .save_steps = 3}),
            (std::vector<std::int64_t>{3, 6, 8}));
}

TEST(MilestonesTest, WarmUpOfARatioIsRoundedUp) {
  EXPECT_EQ(MakeScheduleSettings({.schedule = "linear", .warmup_ratio = 0.1}, 25).warmup_steps, 3);
  EXPECT_EQ(MakeScheduleSettings({.schedule = "linear", .warmup_steps = 9}, 25).warmup_steps, 9);
}

}  // namespace
}  // namespace lathe::trainer::loop
