#include "worker/trainer/optim/learning_rate.h"

#include <gtest/gtest.h>

namespace lathe::trainer::optim {
namespace {

ScheduleSettings Settings(ScheduleType type) {
  return {.type = type, .learning_rate = 1, .warmup_steps = 4, .total_steps = 20};
}

TEST(LearningRateTest, WarmUpStartsAtZero) {
  EXPECT_EQ(LearningRate(Settings(ScheduleType::kCosine), 0), 0);
  EXPECT_DOUBLE_EQ(LearningRate(Settings(ScheduleType::kLinear), 3), 0.75);
  EXPECT_EQ(LearningRate(Settings(ScheduleType::kConstant), 0), 1);
}

TEST(LearningRateTest, EachTypeIsHalfWayWhereItShouldBe) {
  EXPECT_NEAR(LearningRate(Settings(ScheduleType::kCosine), 12), 0.5, 1e-12);
  EXPECT_NEAR(LearningRate(Settings(ScheduleType::kLinear), 12), 0.5, 1e-12);
  EXPECT_NEAR(LearningRate(Settings(ScheduleType::kPolynomial), 12), 0.5, 1e-6);
  EXPECT_EQ(LearningRate(Settings(ScheduleType::kConstantWithWarmup), 12), 1);
}

TEST(LearningRateTest, TheMinimumIsReachedAtTheEnd) {
  ScheduleSettings settings = Settings(ScheduleType::kCosine);
  settings.minimum_ratio = 0.1;
  EXPECT_NEAR(LearningRate(settings, 20), 0.1, 1e-12);
  EXPECT_NEAR(LearningRate(settings, 4), 1, 1e-12);
}

}  // namespace
}  // namespace lathe::trainer::optim
