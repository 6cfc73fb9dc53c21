// Sums of gradients that begin during the backward pass: what is summed when, and that steps of two
// processes (threads here, each with a group of its own) come to the bits that they come to with
// one sum at the end.

#include "worker/trainer/loop/gradient_sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <thread>

#include "common/base/temp_dir.h"
#include "tests/worker/trainer/adapters/tiny_adapter.h"
#include "worker/trainer/adapters/full.h"
#include "worker/trainer/adapters/peft.h"
#include "worker/trainer/loop/stepper.h"

namespace lathe::trainer::loop {
namespace {

adapters::Trainable Lora(const model::Decoder& decoder) {
  return adapters::ToTrainable(adapters::DrawnAdapter(decoder, {.rank = 2}));
}

/// Parts follow each other downwards from the end of the flat tensor.
void ExpectInOrder(const std::vector<GradientPart>& parts, std::int64_t end) {
  std::size_t layer = 1000;
  for (const GradientPart& part : parts) {
    EXPECT_EQ(part.end, end);
    EXPECT_LT(part.begin, part.end);
    EXPECT_LT(part.layer, layer);
    end = part.begin;
    layer = part.layer;
  }
}

TEST(GradientPartsTest, AreThoseOfTheLayers) {
  const model::Decoder decoder = adapters::TinyDecoder();
  const adapters::Trainable lora = Lora(decoder);
  const auto parts = PartsOf(decoder, lora, 1);
  ASSERT_EQ(parts.size(), decoder.layers.size());
  ExpectInOrder(parts, lora.gradients.numel());
  EXPECT_EQ(parts.back().begin, 0);
  EXPECT_EQ(parts.back().layer, 0U);
}

TEST(GradientPartsTest, OfFullFineTuningLeaveTheEmbeddingForTheEnd) {
  model::Decoder decoder = adapters::TinyDecoder();
  const adapters::Trainable full = adapters::MakeFull(
      decoder, at::kFloat, [](const std::filesystem::path&) { return Status{}; });
  const auto parts = PartsOf(decoder, full, 1);
  ASSERT_EQ(parts.size(), decoder.layers.size());
  ExpectInOrder(parts, full.gradients.numel());
  EXPECT_GE(parts.back().begin, decoder.embedding.numel());
}

TEST(GradientPartsTest, SmallOnesAreSharedByLayers) {
  const model::Decoder decoder = adapters::TinyDecoder();
  const adapters::Trainable lora = Lora(decoder);
  const auto whole = PartsOf(decoder, lora, lora.gradients.numel());
  EXPECT_EQ(whole, (std::vector<GradientPart>{{0, lora.gradients.numel(), 0}}));
}

TEST(GradientPartsTest, ThereAreNoneWhereGradientsAreFinishedLater) {
  const model::Decoder decoder = adapters::TinyDecoder();
  adapters::Trainable lora = Lora(decoder);
  lora.finish_gradients = [] {};
  EXPECT_TRUE(PartsOf(decoder, lora, 1).empty());
}

TEST(GradientPartsTest, ThereAreNoneWhereLayersDoNotFollowEachOther) {
  const model::Decoder decoder = adapters::TinyDecoder();
  adapters::Trainable lora = Lora(decoder);
  auto& groups = lora.additions.low_rank.groups;
  std::swap(groups.front(), groups.at(groups.size() - 2));
  EXPECT_TRUE(PartsOf(decoder, lora, 1).empty());
}

std::vector<Example> Examples() {
  std::vector<Example> examples;
  for (std::int64_t row = 0; row < 6; ++row) {
    Example example;
    for (std::int64_t i = 0; i < 5 + row; ++i) example.tokens.push_back((row * 31 + i * 7) % 500);
    example.labels = example.tokens;
    examples.push_back(example);
  }
  return examples;
}

struct Outcome {
  std::vector<StepResult> steps;
  at::Tensor parameters;
};

/// Values that all begin with.
at::Tensor Start() {
  static const at::Tensor start = Lora(adapters::TinyDecoder()).parameters;
  return start;
}

/// Three steps.
Outcome Train(std::shared_ptr<const distributed::Group> group, std::int64_t least) {
  const model::Decoder decoder = adapters::TinyDecoder();
  StepperSettings settings;
  settings.group = std::move(group);
  settings.least_gradient_part = least;
  const adapters::Trainable lora = Lora(decoder);
  at::Tensor parameters = lora.parameters;
  parameters.copy_(Start());
  lora.Refresh();
  Stepper stepper(decoder, lora, settings);
  const std::vector<Example> examples = Examples();
  // The second process has one micro-batch less, and in the last step none.
  const std::vector<std::vector<std::vector<std::size_t>>> steps = {
      {{0, 1}, {2, 3}, {4, 5}}, {{0}, {1, 2, 3}, {4}}, {{5}}};
  Outcome outcome;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    outcome.steps.push_back(*stepper.Step({static_cast<std::int64_t>(i), 1e-3, examples, steps[i]},
                                          [] { return false; }));
  }
  outcome.parameters = stepper.trainable().parameters.clone();
  return outcome;
}

std::vector<Outcome> TrainTwo(std::int64_t least) {
  const TempDir dir = TempDir::Create().value();
  std::vector<Outcome> outcomes(2);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      distributed::World world;
      world.rank = rank;
      world.size = 2;
      world.rendezvous_file = dir.path() / "meet";
      auto group = distributed::Group::Join(world).value();
      outcomes[static_cast<std::size_t>(rank)] =
          Train(std::make_shared<const distributed::Group>(std::move(group)), least);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return outcomes;
}

TEST(GradientSumsTest, TwoProcessesComeToTheSameBitsHoweverSumsAreCut) {
  const Outcome alone = Train(std::make_shared<const distributed::Group>(), 1);
  const auto at_once = TrainTwo(std::int64_t{1} << 40);
  const auto by_layer = TrainTwo(1);
  for (const auto& outcomes : {at_once, by_layer}) {
    EXPECT_TRUE(at::equal(outcomes[0].parameters, outcomes[1].parameters));
    EXPECT_LT((outcomes[0].parameters - alone.parameters).abs().max().item<float>(), 1e-5F);
    for (std::size_t i = 0; i < alone.steps.size(); ++i) {
      EXPECT_NEAR(outcomes[0].steps[i].loss, alone.steps[i].loss, 1e-5);
      EXPECT_EQ(outcomes[1].steps[i].loss, outcomes[0].steps[i].loss);
    }
  }
  EXPECT_TRUE(at::equal(by_layer[0].parameters, at_once[0].parameters));
}

}  // namespace
}  // namespace lathe::trainer::loop
