#include "worker/trainer/objectives/preference.h"

#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/worker/trainer/adapters/tiny_adapter.h"
#include "worker/trainer/loop/batch.h"

namespace lathe::trainer::objectives {
namespace {

TEST(PairLossTest, OfEqualAnswersIsLogTwoOrTheMargin) {
  const Answer answer{-12, -12, 5};
  EXPECT_NEAR(ComputePairLoss({}, answer, answer).loss, std::log(2.0), 1e-15);
  EXPECT_NEAR(ComputePairLoss({.label_smoothing = 0.3}, answer, answer).loss, std::log(2.0), 1e-15);
  const PreferenceSettings ipo{.loss = PreferenceLoss::kIpo, .beta = 0.1};
  EXPECT_NEAR(ComputePairLoss(ipo, answer, answer).loss, 25, 1e-12);
}

TEST(PairLossTest, DerivativesAreThoseOfTheLoss) {
  for (const PreferenceSettings& settings :
       {PreferenceSettings{}, PreferenceSettings{.beta = 0.7, .label_smoothing = 0.2},
        PreferenceSettings{.loss = PreferenceLoss::kIpo, .beta = 0.3}}) {
    const Answer chosen{-11, -14, 4};
    const Answer rejected{-20, -17, 9};
    const auto loss = [&](double chosen_step, double rejected_step) {
      Answer c = chosen;
      Answer r = rejected;
      c.model += chosen_step;
      r.model += rejected_step;
      return ComputePairLoss(settings, c, r).loss;
    };
    const double h = 1e-5;
    const PairLoss got = ComputePairLoss(settings, chosen, rejected);
    EXPECT_NEAR(got.dchosen, (loss(h, 0) - loss(-h, 0)) / (2 * h), 1e-8);
    EXPECT_NEAR(got.drejected, (loss(0, h) - loss(0, -h)) / (2 * h), 1e-8);
  }
}

TEST(PairLossTest, StaysFiniteFarOut) {
  for (const double far : {-1e5, 1e5}) {
    const PairLoss got = ComputePairLoss({.label_smoothing = 0.1}, {far, 0, 3}, {0, 0, 3});
    EXPECT_TRUE(std::isfinite(got.loss));
    EXPECT_TRUE(std::isfinite(got.dchosen));
  }
}

class PreferenceObjectiveTest : public testing::Test {
 protected:
  PreferenceObjectiveTest() {
    for (std::int64_t row = 0; row < 4; ++row) {
      data::Example example;
      for (std::int64_t i = 0; i < 7 + row; ++i) {
        example.tokens.push_back((row / 2 * 31 + i * (i < 4 ? 7 : 11 + row)) % 500);
        example.labels.push_back(i < 4 ? data::kIgnoredLabel : example.tokens.back());
      }
      example.reference = -20.0 - static_cast<double>(row);
      examples_.push_back(example);
    }
  }

  ObjectiveOutput Compute(const model::Additions& additions, double scale) const {
    const std::vector<std::size_t> all = {0, 1, 2, 3};
    const loop::Batch batch = loop::MakeBatch(examples_, all, at::kCPU);
    const model::PassOptions options;
    const model::PassContext pass{decoder_, additions, batch.inputs, options};
    const at::Tensor hidden = model::ForwardLayers(pass, nullptr);
    return MakePreference({.beta = 0.4})
        .compute({pass, hidden, batch.targets, batch.reference, scale});
  }

  const model::Decoder decoder_ = adapters::TinyDecoder();
  std::vector<data::Example> examples_;
};

TEST_F(PreferenceObjectiveTest, AddsUpItsPairs) {
  const ObjectiveOutput both = Compute({}, 0);
  EXPECT_FALSE(both.dhidden.defined());
  ASSERT_EQ(both.measures.size(), 4U);
  const std::vector<data::Example> all = examples_;
  examples_ = {all[0], all[1], all[0], all[1]};
  const ObjectiveOutput first = Compute({}, 0);
  examples_ = {all[2], all[3], all[2], all[3]};
  const ObjectiveOutput second = Compute({}, 0);
  EXPECT_NEAR(both.loss, (first.loss + second.loss) / 2, 1e-6);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(both.measures[i], (first.measures[i] + second.measures[i]) / 2, 1e-6);
  }
}

TEST_F(PreferenceObjectiveTest, ATrainedHeadGivesTheHiddenStatesTheSameGradient) {
  const ObjectiveOutput frozen = Compute({}, 0.5);
  auto adapter = adapters::LoraAdapter::Create(decoder_, {.modules = {"lm_head"}},
                                               adapters::Purpose::kTraining)
                     .value();
  adapter.Initialize(3);  // B is 0: the logits are the base's.
  adapter.Refresh();
  model::Additions additions;
  additions.low_rank = adapter.low_rank();
  const ObjectiveOutput trained = Compute(additions, 0.5);
  EXPECT_NEAR(trained.loss, frozen.loss, 1e-6);
  EXPECT_LT((trained.dhidden - frozen.dhidden).abs().max().item<float>(), 1e-5F);
  EXPECT_GT(frozen.dhidden.abs().max().item<float>(), 1e-3F);
  EXPECT_GT(adapter.gradients().abs().max().item<float>(), 1e-4F);
}

TEST_F(PreferenceObjectiveTest, LearnsNothingWhereNothingIsCompared) {
  const at::Tensor dhidden = Compute({}, 1).dhidden;
  // Rows 0 to 2 predict tokens of the prompt, and the last row of a sequence predicts nothing.
  EXPECT_EQ(dhidden.narrow(0, 0, 3).abs().max().item<float>(), 0);
  EXPECT_EQ(dhidden[6].abs().max().item<float>(), 0);
}

}  // namespace
}  // namespace lathe::trainer::objectives
