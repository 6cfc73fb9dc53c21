#include "worker/trainer/optim/learning_rate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

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

TEST(LearningRateTest, TheFormulasHoldAtEveryStep) {
  // s completed steps, w = 4 of warm-up, T = 20 in all: p = (s - w) / (T - w).
  for (std::int64_t s = 4; s <= 20; ++s) {
    const double p = static_cast<double>(s - 4) / 16;
    EXPECT_NEAR(LearningRate(Settings(ScheduleType::kCosine), s),
                0.5 * (1 + std::cos(std::numbers::pi * p)), 1e-12);
    EXPECT_NEAR(LearningRate(Settings(ScheduleType::kLinear), s), 1 - p, 1e-12);
    EXPECT_NEAR(LearningRate(Settings(ScheduleType::kPolynomial), s), (1 - 1e-7) * (1 - p) + 1e-7,
                1e-12);
  }
  for (std::int64_t s = 0; s < 4; ++s) {
    for (const auto type : {ScheduleType::kCosine, ScheduleType::kLinear, ScheduleType::kPolynomial,
                            ScheduleType::kConstantWithWarmup}) {
      EXPECT_NEAR(LearningRate(Settings(type), s), static_cast<double>(s) / 4, 1e-12);
    }
  }
}

TEST(LearningRateTest, WithoutWarmUpTheFirstStepHasTheWholeRate) {
  for (const auto type : {ScheduleType::kCosine, ScheduleType::kLinear, ScheduleType::kConstant,
                          ScheduleType::kPolynomial, ScheduleType::kConstantWithWarmup}) {
    ScheduleSettings settings = Settings(type);
    settings.warmup_steps = 0;
    EXPECT_NEAR(LearningRate(settings, 0), 1, 1e-12);
  }
}

TEST(LearningRateTest, CyclesAreWaves) {
  ScheduleSettings settings = Settings(ScheduleType::kCosine);
  settings.cycles = 1.5;  // Falls, rises, falls.
  EXPECT_NEAR(LearningRate(settings, 4), 1, 1e-12);
  EXPECT_NEAR(LearningRate(settings, 4 + 4), 0.5 * (1 + std::cos(2 * std::numbers::pi * 0.375)),
              1e-12);
  EXPECT_NEAR(LearningRate(settings, 20), 0, 1e-12);
}

TEST(LearningRateTest, TheMinimumScalesWhatIsAboveIt) {
  for (const auto type : {ScheduleType::kCosine, ScheduleType::kLinear}) {
    ScheduleSettings settings = Settings(type);
    const double plain = LearningRate(settings, 9);
    settings.minimum_ratio = 0.2;
    EXPECT_NEAR(LearningRate(settings, 9), plain * 0.8 + 0.2, 1e-12);
    EXPECT_EQ(LearningRate(settings, 0), 0);  // Warm-up starts at zero all the same.
  }
  ScheduleSettings polynomial = Settings(ScheduleType::kPolynomial);
  polynomial.minimum_ratio = 0.2;
  EXPECT_NEAR(LearningRate(polynomial, 20), 0.2, 1e-12);
}

TEST(LearningRateTest, BeyondTheEndItIsTheReferencesToo) {
  EXPECT_EQ(LearningRate(Settings(ScheduleType::kLinear), 30), 0);
  EXPECT_NEAR(LearningRate(Settings(ScheduleType::kPolynomial), 30), 1e-7, 1e-15);
  EXPECT_EQ(LearningRate(Settings(ScheduleType::kConstant), 30), 1);
  // The reference's wave goes on, too; no run takes steps there.
  EXPECT_NEAR(LearningRate(Settings(ScheduleType::kCosine), 30),
              0.5 * (1 + std::cos(std::numbers::pi * 26 / 16)), 1e-12);
}

TEST(LearningRateTest, WarmUpMayTakeTheWholeRun) {
  ScheduleSettings settings = Settings(ScheduleType::kLinear);
  settings.warmup_steps = 20;
  EXPECT_NEAR(LearningRate(settings, 19), 0.95, 1e-12);
  EXPECT_TRUE(std::isfinite(LearningRate(settings, 20)));
}

}  // namespace
}  // namespace lathe::trainer::optim
