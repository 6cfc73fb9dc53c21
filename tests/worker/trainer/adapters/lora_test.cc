#include "worker/trainer/adapters/lora.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/worker/trainer/adapters/tiny_adapter.h"

namespace lathe::trainer::adapters {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LoraTest : public testing::Test {
 protected:
  std::vector<std::string> Selected(const std::vector<std::string>& modules) const {
    const auto adapter =
        LoraAdapter::Create(decoder_, {.modules = modules}, Purpose::kInference).value();
    std::vector<std::string> names;
    for (const LoraModule& module : adapter.modules()) names.push_back(module.name);
    return names;
  }
  Error CreateError(const LoraSettings& settings) const {
    const auto adapter = LoraAdapter::Create(decoder_, settings, Purpose::kInference);
    return adapter ? Error{} : adapter.error();
  }
  const model::Decoder decoder_ = TinyDecoder();
};

TEST_F(LoraTest, AllLinearIsEveryLinearLayerButTheHead) {
  const auto names = Selected({});
  EXPECT_EQ(names.size(), 2U * 7U);
  EXPECT_THAT(names, testing::Contains("model.layers.1.mlp.down_proj"));
  EXPECT_THAT(names, testing::Not(testing::Contains("lm_head")));
}

TEST_F(LoraTest, NamesMatchWholeComponentsFromTheEnd) {
  EXPECT_THAT(Selected({"v_proj", "q_proj"}),
              ElementsAre("model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.v_proj",
                          "model.layers.1.self_attn.q_proj", "model.layers.1.self_attn.v_proj"));
  EXPECT_THAT(Selected({"model.layers.1.mlp.up_proj"}), ElementsAre("model.layers.1.mlp.up_proj"));
  EXPECT_THAT(Selected({"lm_head"}), ElementsAre("lm_head"));
  EXPECT_EQ(CreateError({.modules = {"proj"}}).code, ErrorCode::kInvalidArgument);
}

TEST_F(LoraTest, UnknownNamesAreToldWithWhatThereIs) {
  const Error error = CreateError({.modules = {"q_proj", "q_prj"}, .rank_pattern = {{"none", 2}}});
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("\"q_prj\""));
  EXPECT_THAT(error.message, HasSubstr("down_proj, gate_proj, k_proj, lm_head, o_proj, q_proj"));
  ASSERT_EQ(error.findings.size(), 2U);
  EXPECT_EQ(error.findings[0].path, "configuration.method.loraConfig.trainableModules");
  EXPECT_EQ(error.findings[1].path, "configuration.method.loraConfig.rankPattern");
}

TEST_F(LoraTest, ScalesFollowRankAndKind) {
  LoraSettings settings{.rank = 4,
                        .alpha = 8,
                        .modules = {"q_proj", "v_proj"},
                        .rank_pattern = {{"layers.1.self_attn.q_proj", 16}},
                        .alpha_pattern = {{"v_proj", 2}}};
  auto plain = LoraAdapter::Create(decoder_, settings, Purpose::kInference).value();
  EXPECT_EQ(plain.modules()[0].scale, 2);       // 8 / 4
  EXPECT_EQ(plain.modules()[1].scale, 0.5);     // 2 / 4
  EXPECT_EQ(plain.modules()[2].scale, 0.5);     // 8 / 16
  EXPECT_EQ(plain.modules()[2].a.size(0), 16);  // its own rank
  settings.rslora = true;
  auto stable = LoraAdapter::Create(decoder_, settings, Purpose::kInference).value();
  EXPECT_EQ(stable.modules()[0].scale, 4);  // 8 / sqrt(4)
  EXPECT_EQ(stable.modules()[2].scale, 2);  // 8 / sqrt(16)
  EXPECT_EQ(stable.low_rank().Find(model::GroupIndex(0, model::Site::kQkv))->parts[0].scale, 4);
}

TEST_F(LoraTest, StartsFromTheSeedAloneWithoutChangingTheModel) {
  const auto make = [&](std::uint64_t seed) {
    auto adapter = LoraAdapter::Create(decoder_, {.rank = 4}, Purpose::kTraining).value();
    adapter.Initialize(seed);
    return adapter;
  };
  const LoraAdapter first = make(1);
  EXPECT_TRUE(at::equal(first.parameters(), make(1).parameters()));
  EXPECT_FALSE(at::equal(first.parameters(), make(2).parameters()));
  for (const LoraModule& module : first.modules()) {
    EXPECT_EQ(module.b.abs().max().item<float>(), 0);
    const double bound = 1 / std::sqrt(static_cast<double>(module.a.size(1)));
    EXPECT_LE(module.a.abs().max().item<float>(), bound);
    EXPECT_GT(module.a.abs().max().item<float>(), bound / 2) << module.name;
  }
}

TEST_F(LoraTest, ComputesInTheDecodersTypeFromWideMasters) {
  const model::Decoder narrow = TinyDecoder(at::kBFloat16);
  const LoraAdapter adapter = DrawnAdapter(narrow, {.rank = 2, .modules = {"o_proj"}});
  const auto* group = adapter.low_rank().Find(model::GroupIndex(0, model::Site::kOutput));
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(adapter.parameters().scalar_type(), at::kFloat);
  EXPECT_EQ(group->a.scalar_type(), at::kBFloat16);
  EXPECT_EQ(group->a_gradient.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(group->parts[0].b, adapter.modules()[0].b.to(at::kBFloat16)));
}

}  // namespace
}  // namespace lathe::trainer::adapters
