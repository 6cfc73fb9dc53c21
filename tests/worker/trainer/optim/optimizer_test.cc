#include "worker/trainer/optim/optimizer.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "worker/trainer/optim/loss_scale.h"

namespace lathe::trainer::optim {
namespace {

at::Tensor Vector(const std::vector<float>& values) {
  at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kFloat);
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

float At(const at::Tensor& tensor, std::int64_t index) {
  return tensor[index].item<float>();
}

/// AdamW for one value in fp64, from the paper (https://arxiv.org/abs/1711.05101) with torch's
/// place for epsilon: behind the bias correction.
class ReferenceAdamW {
 public:
  ReferenceAdamW(const OptimizerSettings& settings, double value) : s_(settings), value_(value) {}
  double Step(double gradient, double learning_rate) {
    ++t_;
    value_ -= learning_rate * s_.weight_decay * value_;
    m_ = s_.beta1 * m_ + (1 - s_.beta1) * gradient;
    v_ = s_.beta2 * v_ + (1 - s_.beta2) * gradient * gradient;
    const double m = m_ / (1 - std::pow(s_.beta1, t_));
    const double v = v_ / (1 - std::pow(s_.beta2, t_));
    value_ -= learning_rate * m / (std::sqrt(v) + s_.epsilon);
    return value_;
  }

 private:
  const OptimizerSettings& s_;
  double value_;
  double m_ = 0;
  double v_ = 0;
  int t_ = 0;
};

TEST(OptimizerTest, AdamWTakesTheReferencesSteps) {
  const OptimizerSettings settings{
      .beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-2, .weight_decay = 0.1};
  const std::vector<float> start = {1.0F, -2.0F, 0.0F, 300.0F};
  at::Tensor parameters = Vector(start);
  OptimizerState state = MakeOptimizerState(settings, {}, parameters);
  std::vector<ReferenceAdamW> references;
  for (const float value : start) references.emplace_back(settings, value);
  for (int step = 0; step < 20; ++step) {
    std::vector<float> gradient;
    for (int i = 0; i < 4; ++i) gradient.push_back(std::sin(static_cast<float>(3 * step + i)));
    gradient[2] = 0;  // A value without any gradient stays where it is.
    at::Tensor values = Vector(gradient);
    const double learning_rate = 0.01 * (step + 1);
    Update(settings, {{}, learning_rate, values, parameters}, state);
    for (std::size_t i = 0; i < start.size(); ++i) {
      const double expected = references[i].Step(gradient[i], learning_rate);
      EXPECT_NEAR(At(parameters, static_cast<std::int64_t>(i)), expected,
                  1e-5 * std::max(1.0, std::fabs(expected)))
          << "value " << i << ", step " << step;
    }
  }
  EXPECT_EQ(state.updates, 20);
  EXPECT_EQ(At(parameters, 2), 0);
}

TEST(OptimizerTest, TheFirstAdamWStepIsTheLearningRateLong) {
  const OptimizerSettings settings;
  at::Tensor parameters = Vector({1, 1});
  at::Tensor gradient = Vector({1e-3F, -50});
  OptimizerState state = MakeOptimizerState(settings, {}, parameters);
  Update(settings, {{}, 0.1, gradient, parameters}, state);
  EXPECT_NEAR(At(parameters, 0), 0.9, 1e-5);
  EXPECT_NEAR(At(parameters, 1), 1.1, 1e-5);
}

TEST(OptimizerTest, ALearningRateOfZeroChangesTheMomentsOnly) {
  const OptimizerSettings settings{.weight_decay = 0.5};
  at::Tensor parameters = Vector({2});
  at::Tensor gradient = Vector({1});
  OptimizerState state = MakeOptimizerState(settings, {}, parameters);
  Update(settings, {{}, 0, gradient, parameters}, state);
  EXPECT_EQ(At(parameters, 0), 2);
  EXPECT_NEAR(At(state.tensors.at("first_moment"), 0), 0.1, 1e-7);
  EXPECT_NEAR(At(state.tensors.at("second_moment"), 0), 1e-3, 1e-9);
}

TEST(OptimizerTest, SgdAddsTheDecayToTheGradient) {
  const OptimizerSettings settings{.type = OptimizerType::kSgd, .weight_decay = 0.5};
  at::Tensor parameters = Vector({2, -4});
  at::Tensor gradient = Vector({1, 0});
  OptimizerState state = MakeOptimizerState(settings, {}, parameters);
  EXPECT_TRUE(state.tensors.empty());
  Update(settings, {{}, 0.1, gradient, parameters}, state);
  EXPECT_NEAR(At(parameters, 0), 2 - 0.1 * (1 + 0.5 * 2), 1e-6);
  EXPECT_NEAR(At(parameters, 1), -4 - 0.1 * (0.5 * -4), 1e-6);
}

TEST(OptimizerTest, TheNormIsSummedInDoublePrecision) {
  EXPECT_DOUBLE_EQ(Norm(Vector({3, 4})), 5);
  // In fp32 the small squares would be lost behind the large one.
  at::Tensor gradient = at::full({1'000'001}, 1e-3, at::kFloat);
  gradient[0] = 100;
  EXPECT_NEAR(Norm(gradient), std::sqrt(10000.0 + 1.0), 1e-6);
  EXPECT_FALSE(std::isfinite(Norm(Vector({1, std::numeric_limits<float>::quiet_NaN()}))));
}

TEST(OptimizerTest, ClippingScalesLongGradientsOnly) {
  at::Tensor gradient = Vector({3, 4});
  Clip(gradient, 5, 5.1);
  EXPECT_EQ(At(gradient, 0), 3);
  Clip(gradient, 5, 0);  // 0: no limit.
  EXPECT_EQ(At(gradient, 1), 4);
  Clip(gradient, 5, 1);
  EXPECT_NEAR(At(gradient, 0), 3 / (5 + 1e-6), 1e-7);
  EXPECT_NEAR(At(gradient, 1), 4 / (5 + 1e-6), 1e-7);
}

TEST(LossScaleTest, HalvesOnOverflowAndDoublesAfterManyGoodSteps) {
  LossScale scale{.value = LossScale::kStart};
  for (int i = 0; i < 1999; ++i) scale.Note(true);
  EXPECT_EQ(scale.value, 65536);
  scale.Note(false);
  EXPECT_EQ(scale.value, 32768);
  for (int i = 0; i < 2000; ++i) scale.Note(true);
  EXPECT_EQ(scale.value, 65536);
  EXPECT_EQ(scale.good_steps, 0);
}

}  // namespace
}  // namespace lathe::trainer::optim
