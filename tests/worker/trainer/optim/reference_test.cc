// Each optimizer beside the Python reference over 24 steps, and each schedule over 40. The numbers
// are made by tests/golden/optim/make_reference.py.

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/parity/support.h"
#include "worker/trainer/optim/adamw_8bit.h"
#include "worker/trainer/optim/dynamic_map.h"
#include "worker/trainer/optim/learning_rate.h"
#include "worker/trainer/optim/optimizer.h"

namespace lathe::trainer::optim {
namespace {

const Layout& ReferenceLayout() {
  static const Layout layout = {{0, {8, 512}}, {4096, {515, 8}}, {8216, {16, 8}}, {8344, {37}}};
  return layout;
}
constexpr std::int64_t kElements = 8381;

at::Tensor FromFormula(const std::function<float(std::int64_t)>& formula) {
  at::Tensor tensor = at::empty({kElements}, at::kFloat);
  float* values = tensor.data_ptr<float>();
  for (std::int64_t i = 0; i < kElements; ++i) values[i] = formula(i);
  return tensor;
}

at::Tensor Start() {
  return FromFormula(
      [](std::int64_t i) { return static_cast<float>(i * 31337 % 1999 - 999) / 4096.0F; });
}

at::Tensor Gradient(std::int64_t step) {
  return FromFormula([step](std::int64_t i) {
    const auto noise = static_cast<float>((i * 7919 + step * 104729) % 2003 - 1001) / 1024.0F;
    return std::ldexp(noise, static_cast<int>(-3 * (i % 5)));
  });
}

/// How many values are further from the reference than its own rounding explains.
struct Difference {
  std::int64_t beyond = 0;
  double largest = 0;
};

Difference Compare(const at::Tensor& parameters, const std::vector<double>& expected) {
  EXPECT_EQ(expected.size(), static_cast<std::size_t>(kElements));
  Difference difference;
  const float* values = parameters.data_ptr<float>();
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double distance = std::fabs(static_cast<double>(values[i]) - expected[i]);
    difference.beyond += distance > 2e-6 ? 1 : 0;
    difference.largest = std::max(difference.largest, distance);
  }
  return difference;
}

OptimizerSettings SettingsOf(const std::string& name) {
  const NamedOptimizer named = OptimizerFromName(name).value();
  return {.type = named.type,
          .beta1 = 0.9,
          .beta2 = 0.95,
          .epsilon = 1e-6,
          .weight_decay = 0.1,
          .paged = named.paged};
}

struct Case {
  std::string name;
  std::string reference;
  std::int64_t beyond = 0;  ///< values that may differ more, as rounding chose another code
};

class OptimizerReferenceTest : public testing::TestWithParam<Case> {};

TEST_P(OptimizerReferenceTest, TakesTheReferencesSteps) {
  const OptimizerSettings settings = SettingsOf(GetParam().name);
  const auto file = parity::Open(parity::Golden("optim/" + GetParam().reference + ".safetensors"));
  at::Tensor parameters = Start();
  OptimizerState state = MakeOptimizerState(settings, ReferenceLayout(), parameters);
  for (std::int64_t step = 0; step < 24; ++step) {
    at::Tensor gradient = Gradient(step);
    const double learning_rate = 1e-2 * (1 - static_cast<double>(step) / 48);
    Update(settings, {ReferenceLayout(), learning_rate, gradient, parameters}, state);
    const auto expected = parity::Values(file, "step" + std::to_string(step + 1));
    if (expected.empty()) continue;
    const Difference difference = Compare(parameters, expected);
    EXPECT_LE(difference.beyond, GetParam().beyond) << "after step " << step + 1;
    EXPECT_LT(difference.largest, 1e-3) << "after step " << step + 1;
  }
}

INSTANTIATE_TEST_SUITE_P(All, OptimizerReferenceTest,
                         testing::Values(Case{"adamw", "adamw"},
                                         Case{"adamw_8bit", "adamw_8bit", 8},
                                         Case{"paged_adamw_8bit", "adamw_8bit", 8},
                                         Case{"sgd", "sgd"}, Case{"lion", "lion"},
                                         Case{"adafactor", "adafactor"}),
                         [](const auto& c) { return c.param.name; });

TEST(DynamicMapTest, HasTheReferencesValues) {
  const auto file = parity::Open(parity::Golden("optim/dynamic_maps.safetensors"));
  for (const auto& [name, signedness] :
       {std::pair{"signed", Signedness::kSigned}, {"unsigned", Signedness::kUnsigned}}) {
    const auto expected = parity::Values(file, name);
    ASSERT_EQ(expected.size(), 256U);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(DynamicMapOf(signedness).values[i], static_cast<float>(expected[i]))
          << name << " " << i;
    }
  }
}

TEST(DynamicMapTest, NearestIsNearestAndTiesGoDown) {
  const DynamicMap& map = DynamicMapOf(Signedness::kSigned);
  for (std::size_t i = 0; i < map.values.size(); ++i) {
    EXPECT_EQ(map.Nearest(map.values[i]), i);
    if (i + 1 == map.values.size()) break;
    EXPECT_EQ(map.Nearest(map.midpoints[i]), i);
    EXPECT_EQ(map.Nearest(std::nextafter(map.midpoints[i], 2.0F)), i + 1);
  }
  EXPECT_EQ(map.Nearest(-7), 0);
  EXPECT_EQ(map.Nearest(7), 255);
}

TEST(AdamW8BitTest, NoBlockCrossesFromOneTensorIntoAnother) {
  const auto runs = adamw_8bit::RunsOf(ReferenceLayout());
  ASSERT_EQ(runs.size(), 2U);  // The first matrix ends with a whole block: the second joins it.
  EXPECT_EQ(runs[0].count, 4096 + 4120);
  EXPECT_EQ(runs[0].blocks(), 16 + 17);
  EXPECT_FALSE(runs[1].quantized);
  EXPECT_EQ(runs[1].count, 128 + 37);
  const auto ragged = adamw_8bit::RunsOf({{0, {4097}}, {4097, {4096}}});
  ASSERT_EQ(ragged.size(), 2U);
  EXPECT_EQ(ragged[1].state_offset, 17);
}

TEST(AdamW8BitTest, BothImplementationsGiveTheSame) {
  const adamw::Factors factors = adamw::FactorsOf(SettingsOf("adamw_8bit"), 1e-2, 1);
  const auto make = [] {
    const std::int64_t blocks = (kElements + adamw_8bit::kBlock - 1) / adamw_8bit::kBlock;
    const auto moment = [&] {
      return adamw_8bit::QuantizedMoment{at::zeros({blocks * adamw_8bit::kBlock}, at::kByte),
                                         at::zeros({blocks}, at::kFloat)};
    };
    return adamw_8bit::BlockSlice{{}, Start(), moment(), moment()};
  };
  adamw_8bit::BlockSlice fused = make();
  adamw_8bit::BlockSlice chained = make();
  for (std::int64_t step = 0; step < 5; ++step) {
    fused.gradient = Gradient(step);
    chained.gradient = Gradient(step);
    adamw_8bit::UpdateBlocksFused(factors, fused);
    adamw_8bit::UpdateBlocksChained(factors, chained);
  }
  EXPECT_LT((fused.parameters - chained.parameters).abs().max().item<float>(), 1e-4F);
  EXPECT_LE((fused.first.codes != chained.first.codes).sum().item<std::int64_t>(), 4);
  EXPECT_LE((fused.second.codes != chained.second.codes).sum().item<std::int64_t>(), 4);
}

ScheduleType TypeOf(const std::string& name) {
  if (name == "cosine") return ScheduleType::kCosine;
  if (name == "linear") return ScheduleType::kLinear;
  if (name == "constant") return ScheduleType::kConstant;
  return name == "polynomial" ? ScheduleType::kPolynomial : ScheduleType::kConstantWithWarmup;
}

TEST(LearningRateReferenceTest, EveryStepOfEveryScheduleIsTheReferences) {
  const auto cases = parity::ReadJson(parity::Golden("optim/schedules.json"));
  EXPECT_EQ(cases.size(), 17U);
  for (const auto& c : cases) {
    const ScheduleSettings settings{.type = TypeOf(c["type"]),
                                    .learning_rate = c.value("learningRate", 1.0),
                                    .warmup_steps = c["warmup"],
                                    .total_steps = c["total"],
                                    .minimum_ratio = c.value("minimumRatio", 0.0),
                                    .cycles = c.value("cycles", 0.5)};
    std::int64_t step = 0;
    for (const double expected : c["rates"]) {
      EXPECT_NEAR(LearningRate(settings, step), expected, 1e-12 * settings.learning_rate)
          << c["type"] << ", warm-up " << c["warmup"] << ", step " << step;
      ++step;
    }
  }
}

}  // namespace
}  // namespace lathe::trainer::optim
