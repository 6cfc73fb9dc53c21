#include "worker/trainer/loop/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace lathe::trainer::loop {
namespace {

using Batches = std::vector<std::vector<std::size_t>>;

TEST(SamplerTest, WithoutShuffleTheOrderIsTheFiles) {
  Sampler sampler({.examples = 5, .batch_size = 2, .gradient_accumulation = 2, .shuffle = false});
  EXPECT_EQ(sampler.StepsPerEpoch(), 2);
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

}  // namespace
}  // namespace lathe::trainer::loop
