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

TEST(SamplingTest, TopKLeavesOutTheRest) {
  Random random(1);
  std::map<std::int64_t, int> counts;
  for (int i = 0; i < 20000; ++i) {
    ++counts[Sample(kLogits, {.temperature = 1, .top_k = 2}, random)];
  }
  EXPECT_EQ(counts.size(), 2U);
  EXPECT_NEAR(counts[1] / 20000.0, std::exp(2.0) / (std::exp(2.0) + std::exp(1.0)), 0.02);
  EXPECT_EQ(Sample(kLogits, {.temperature = 1, .top_k = 1}, random), 1);
  counts.clear();
  for (int i = 0; i < 2000; ++i) ++counts[Sample(kLogits, {.temperature = 1, .top_k = 9}, random)];
  EXPECT_EQ(counts.size(), 4U);
}

TEST(SamplingTest, TopPIsOfWhatTopKLeaves) {
  // Of e^2 and e^1 the first has 73 %: with top_k it is the whole nucleus, of all it is not (64 %).
  Random random(1);
  std::map<std::int64_t, int> counts;
  for (int i = 0; i < 2000; ++i) {
    EXPECT_EQ(Sample(kLogits, {.temperature = 1, .top_k = 2, .top_p = 0.7}, random), 1);
    ++counts[Sample(kLogits, {.temperature = 1, .top_p = 0.7}, random)];
  }
  EXPECT_EQ(counts.size(), 2U);
}

TEST(SamplingTest, ALargeVocabularyIsNarrowedToTheSameTokens) {
  // Sorted piece by piece: a nucleus of 700 of 5000 tokens, in no order, with equal ones among
  // them.
  std::vector<float> logits(5000);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    logits[i] = static_cast<float>((i * 2711) % 5000) < 700 ? 3.0F : -20.0F;
  }
  Random random(1);
  std::map<std::int64_t, int> counts;
  for (int i = 0; i < 3000; ++i) {
    ++counts[Sample(logits, {.temperature = 1, .top_p = 0.999}, random)];
  }
  for (const auto& [token, count] : counts) EXPECT_GT(logits[static_cast<std::size_t>(token)], 0);
  EXPECT_GT(counts.size(), 600U);
}

TEST(SamplingTest, RepetitionMakesATokenLessLikely) {
  std::array<float, 4> logits = kLogits;
  PenalizeRepetition(logits, std::array<std::int64_t, 4>{1, 3, 1, 0}, 2.0);
  EXPECT_EQ(logits, (std::array<float, 4>{0.0F, 1.0F, 1.0F, -2.0F}));
  PenalizeRepetition(logits, std::array<std::int64_t, 1>{2}, 1.0);
  EXPECT_EQ(logits[2], 1.0F);
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
