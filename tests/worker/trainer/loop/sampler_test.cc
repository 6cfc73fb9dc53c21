#include "worker/trainer/loop/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lathe::trainer::loop {
namespace {

using Batches = std::vector<std::vector<std::size_t>>;

TEST(SamplerTest, WithoutShuffleTheOrderIsTheFiles) {
  Sampler sampler({.examples = 5, .batch_size = 2, .gradient_accumulation = 2, .shuffle = false});
  EXPECT_EQ(sampler.StepsIn(1), 2);
  EXPECT_EQ(sampler.StepsIn(7), 14);
  EXPECT_EQ(sampler.EpochsAt(3), 1.5);
  EXPECT_EQ(sampler.MicroBatches(0), (Batches{{0, 1}, {2, 3}}));
  EXPECT_EQ(sampler.MicroBatches(1), (Batches{{4}}));
  EXPECT_EQ(sampler.MicroBatches(2), (Batches{{0, 1}, {2, 3}}));
}

TEST(SamplerTest, AnEpochVisitsEachExampleOnceInItsOwnOrder) {
  Sampler sampler({.examples = 50, .batch_size = 50, .seed = 3});
  std::vector<std::size_t> first = sampler.MicroBatches(0)[0];
  const std::vector<std::size_t> second = sampler.MicroBatches(1)[0];
  EXPECT_NE(first, second);
  std::sort(first.begin(), first.end());
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i], i);
}

TEST(SamplerTest, AStepDependsOnTheSeedAlone) {
  const SamplerSettings settings{.examples = 50, .batch_size = 4, .seed = 3};
  Sampler walked(settings);
  for (int step = 0; step < 30; ++step) walked.MicroBatches(step);
  Sampler fresh(settings);
  EXPECT_EQ(walked.MicroBatches(30), fresh.MicroBatches(30));
  Sampler other({.examples = 50, .batch_size = 4, .seed = 4});
  EXPECT_NE(fresh.MicroBatches(30), other.MicroBatches(30));
}

SamplerSettings Packed() {
  SamplerSettings settings{.examples = 300,
                           .gradient_accumulation = 2,
                           .seed = 9,
                           .grouping = Grouping::kPacked,
                           .token_budget = 128};
  for (std::int64_t i = 0; i < 300; ++i) settings.lengths.push_back(1 + i * i % 97);
  return settings;
}

TEST(SamplerTest, PackedEpochsVisitEachExampleOnceAndDiffer) {
  Sampler sampler(Packed());
  std::vector<Batches> epochs;
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    std::vector<std::size_t> seen;
    Batches& batches = epochs.emplace_back();
    for (std::int64_t step = sampler.StepsIn(epoch); step < sampler.StepsIn(epoch + 1); ++step) {
      EXPECT_EQ(static_cast<std::int64_t>(sampler.EpochsAt(step)), epoch);
      for (const MicroBatch& batch : sampler.MicroBatches(step)) {
        seen.insert(seen.end(), batch.begin(), batch.end());
        batches.push_back(batch);
      }
    }
    std::sort(seen.begin(), seen.end());
    ASSERT_EQ(seen.size(), 300U);
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

TEST(SamplerTest, APackedStepDependsOnTheSeedAlone) {
  Sampler walked(Packed());
  const std::int64_t middle = walked.StepsIn(2) + 3;
  for (std::int64_t step = 0; step < middle; ++step) walked.MicroBatches(step);
  Sampler fresh(Packed());
  EXPECT_EQ(walked.MicroBatches(middle), fresh.MicroBatches(middle));
}

TEST(SamplerTest, BalancingLeavesEachStepItsExamples) {
  SamplerSettings settings{.examples = 22, .batch_size = 4, .gradient_accumulation = 2, .seed = 9};
  Sampler plain(settings);
  settings.grouping = Grouping::kBalanced;
  for (std::int64_t i = 0; i < 22; ++i) settings.lengths.push_back(1 + i * i % 97);
  Sampler balanced(settings);
  for (std::int64_t step = 0; step < 5; ++step) {
    const auto flat = [&](Sampler& sampler) {
      std::vector<std::size_t> all;
      for (const MicroBatch& batch : sampler.MicroBatches(step)) {
        EXPECT_LE(batch.size(), 4U);
        all.insert(all.end(), batch.begin(), batch.end());
      }
      std::sort(all.begin(), all.end());
      return all;
    };
    EXPECT_EQ(flat(plain), flat(balanced));
  }
}

}  // namespace
}  // namespace lathe::trainer::loop
