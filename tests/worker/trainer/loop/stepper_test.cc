#include "worker/trainer/loop/stepper.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/worker/trainer/adapters/tiny_adapter.h"
#include "worker/trainer/adapters/peft.h"
#include "worker/trainer/loop/sampler.h"

namespace lathe::trainer::loop {
namespace {

class StepperTest : public testing::Test {
 protected:
  StepperTest()
      : stepper_(decoder_,
                 adapters::ToTrainable(
                     adapters::DrawnAdapter(decoder_, {.rank = 2, .modules = {"q_proj"}})),
                 {.optimizer = {.weight_decay = 0.1}}) {
    for (std::int64_t row = 0; row < 4; ++row) {
      Example example;
      for (std::int64_t i = 0; i < 6 + row; ++i) {
        example.tokens.push_back((row * 31 + i * 7) % 500);
        example.labels.push_back(i < row ? data::kIgnoredLabel : example.tokens.back());
      }
      examples_.push_back(example);
    }
  }
  std::optional<StepResult> Step(const std::vector<std::vector<std::size_t>>& micro_batches,
                                 bool stop = false) {
    return stepper_.Step({0, 1e-3, examples_, micro_batches}, [=] { return stop; });
  }

  const model::Decoder decoder_ = adapters::TinyDecoder();
  std::vector<Example> examples_;
  Stepper stepper_;
};

TEST_F(StepperTest, AStepThatIsNotFiniteChangesNothing) {
  const at::Tensor& parameters = stepper_.trainable().parameters;
  parameters[3] = std::numeric_limits<float>::quiet_NaN();
  stepper_.trainable().Refresh();
  const auto bad = Step({{0, 1}});
  ASSERT_TRUE(bad.has_value());
  EXPECT_FALSE(bad->finite);
  EXPECT_EQ(stepper_.optimizer().updates, 0);
  EXPECT_EQ(stepper_.optimizer().tensors.at("first_moment").abs().max().item<float>(), 0);
  parameters[3] = 0.5;
  stepper_.trainable().Refresh();
  const auto good = Step({{0, 1}});
  EXPECT_TRUE(good->finite);
  EXPECT_TRUE(std::isfinite(good->loss));
  EXPECT_EQ(stepper_.optimizer().updates, 1);
}

TEST_F(StepperTest, TheLossIsPerTargetTokenHoweverTheBatchIsCut) {
  const at::Tensor start = stepper_.trainable().parameters.clone();
  const auto whole = Step({{0, 1, 2, 3}});
  const at::Tensor after = stepper_.trainable().parameters.clone();
  Stepper again(decoder_, stepper_.trainable(), {.optimizer = {.weight_decay = 0.1}});
  again.trainable().parameters.copy_(start);
  again.trainable().Refresh();
  const std::vector<std::vector<std::size_t>> cut = {{0}, {1, 2}, {3}};
  const auto parts = again.Step({0, 1e-3, examples_, cut}, [] { return false; });
  EXPECT_EQ(parts->targets, whole->targets);
  EXPECT_NEAR(parts->loss, whole->loss, 1e-5);
  EXPECT_NEAR(parts->gradient_norm, whole->gradient_norm, 1e-4 * whole->gradient_norm);
  EXPECT_LT((again.trainable().parameters - after).abs().max().item<float>(), 1e-4F);
  EXPECT_FALSE(at::equal(after, start));
}

TEST_F(StepperTest, PackedAndAccumulatedGradientsAreThoseOfOneExampleAtATime) {
  std::vector<Example> examples;
  SamplerSettings packed{.examples = 16, .grouping = Grouping::kPacked, .token_budget = 40};
  std::vector<MicroBatch> alone;
  for (std::int64_t row = 0; row < 16; ++row) {
    Example example;
    for (std::int64_t i = 0; i < 3 + row * row % 23; ++i) {
      example.tokens.push_back((row * 37 + i * i * 11) % 500);
      example.labels.push_back(i < row % 3 ? data::kIgnoredLabel : example.tokens.back());
    }
    packed.lengths.push_back(static_cast<std::int64_t>(example.tokens.size()));
    alone.push_back({static_cast<std::size_t>(row)});
    examples.push_back(std::move(example));
  }
  Sampler probe(packed);
  packed.gradient_accumulation = probe.StepsIn(1);  // The whole epoch is one step.
  const auto gradients = [&](const std::vector<MicroBatch>& micro_batches) {
    const auto result = stepper_.Step({0, 0, examples, micro_batches}, [] { return false; });
    return std::pair(*result, stepper_.trainable().gradients.clone());
  };
  const auto [expected, one_by_one] = gradients(alone);
  EXPECT_GT(one_by_one.abs().max().item<float>(), 1e-3F);
  const auto expect_same = [&](const std::vector<MicroBatch>& micro_batches) {
    const auto [result, gradient] = gradients(micro_batches);
    EXPECT_EQ(result.targets, expected.targets);
    EXPECT_NEAR(result.loss, expected.loss, 1e-5);
    EXPECT_LT((gradient - one_by_one).abs().max().item<float>(), 1e-5F);
  };
  Sampler packing(packed);
  EXPECT_LT(packing.MicroBatches(0).size(), 8U);
  expect_same(packing.MicroBatches(0));
  for (const auto& [size, accumulation] : {std::pair{16, 1}, {2, 8}}) {
    Sampler sampler({.examples = 16, .batch_size = size, .gradient_accumulation = accumulation});
    expect_same(sampler.MicroBatches(0));
  }
  packed.grouping = Grouping::kBalanced;
  packed.batch_size = 4;
  packed.gradient_accumulation = 4;
  Sampler balanced(packed);
  expect_same(balanced.MicroBatches(0));
}

TEST_F(StepperTest, SumsThatComeLaterCountTheSame) {
  const at::Tensor start = stepper_.trainable().parameters.clone();
  StepperSettings settings;
  settings.objective.compute = [plain = settings.objective.compute](const auto& input) {
    objectives::ObjectiveOutput output = plain(input);
    output.later = at::tensor({output.loss, output.measures.at(0)}, at::kDouble);
    output.loss = 0;
    output.measures = {0};
    return output;
  };
  Stepper later(decoder_, stepper_.trainable(), settings);
  const auto never = [] { return false; };
  const auto want = stepper_.Evaluate(examples_, 1, never);
  const auto got = later.Evaluate(examples_, 1, never);
  EXPECT_EQ(got->loss, want->loss);
  EXPECT_EQ(got->measures, want->measures);
  const auto stepped = Step({{0, 1}, {2, 3}});
  stepper_.trainable().parameters.copy_(start);
  stepper_.trainable().Refresh();
  const std::vector<std::vector<std::size_t>> micro_batches = {{0, 1}, {2, 3}};
  const auto result = later.Step({0, 1e-3, examples_, micro_batches}, never);
  EXPECT_EQ(result->loss, stepped->loss);
  EXPECT_EQ(result->measures, stepped->measures);
  EXPECT_GT(result->loss, 0);
}

TEST_F(StepperTest, AStoppedStepChangesNothing) {
  const at::Tensor start = stepper_.trainable().parameters.clone();
  EXPECT_FALSE(Step({{0}, {1}}, true).has_value());
  EXPECT_TRUE(at::equal(stepper_.trainable().parameters, start));
  EXPECT_EQ(stepper_.optimizer().updates, 0);
}

TEST_F(StepperTest, EvaluationIsTheLossOfAllExamplesWhateverTheBatchSize) {
  const auto never = [] { return false; };
  const at::Tensor start = stepper_.trainable().parameters.clone();
  const double loss = Step({{0, 1, 2, 3}})->loss;
  stepper_.trainable().parameters.copy_(start);
  stepper_.trainable().Refresh();
  const auto three = stepper_.Evaluate(examples_, 3, never);
  EXPECT_NEAR(three->loss, stepper_.Evaluate(examples_, 1, never)->loss, 1e-5);
  EXPECT_GT(three->targets, 0);
  EXPECT_NEAR(three->loss, stepper_.Evaluate(examples_, 100, never)->loss, 1e-5);
  EXPECT_NEAR(three->loss, loss, 1e-5);
  EXPECT_FALSE(stepper_.Evaluate(examples_, 1, [] { return true; }).has_value());
}

}  // namespace
}  // namespace lathe::trainer::loop
