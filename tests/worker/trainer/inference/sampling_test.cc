#include "worker/trainer/inference/sampling.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <map>

namespace lathe::trainer::inference {
namespace {

constexpr std::array<float, 4> kLogits = {0.0F, 2.0F, 1.0F, -1.0F};

TEST(SamplingTest, TemperatureZeroTakesTheLikeliest) {
  Random random(1);
  EXPECT_EQ(Sample(kLogits, {.temperature = 0}, random), 1);
}

TEST(SamplingTest, FrequenciesFollowTheSoftmax) {
  Random random(1);
  std::map<std::int64_t, int> counts;
  for (int i = 0; i < 20000; ++i) ++counts[Sample(kLogits, {.temperature = 1}, random)];
  const double total = 1 + std::exp(2.0) + std::exp(1.0) + std::exp(-1.0);
  EXPECT_NEAR(counts[1] / 20000.0, std::exp(2.0) / total, 0.02);
  EXPECT_NEAR(counts[3] / 20000.0, std::exp(-1.0) / total, 0.02);
}

TEST(SamplingTest, TopPLeavesOutTheTail) {
  Random random(1);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_NE(Sample(kLogits, {.temperature = 1, .top_p = 0.8}, random), 3);
    EXPECT_EQ(Sample(kLogits, {.temperature = 1, .top_p = 0.1}, random), 1);
  }
}

TEST(SamplingTest, TheSeedDecides) {
  Random first(7);
  Random second(7);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Sample(kLogits, {.temperature = 1}, first),
              Sample(kLogits, {.temperature = 1}, second));
  }
}

}  // namespace
}  // namespace lathe::trainer::inference
