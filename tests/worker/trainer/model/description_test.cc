// What a description says of real configurations, and what is refused, by the name of the key.

#include "worker/trainer/model/description.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/base/temp_dir.h"
#include "tests/parity/support.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::model {
namespace {

using Json = nlohmann::json;

Json Plain(const std::string& model_type) {
  return {{"model_type", model_type},     {"vocab_size", 128},        {"hidden_size", 64},
          {"num_hidden_layers", 6},       {"num_attention_heads", 4}, {"num_key_value_heads", 2},
          {"intermediate_size", 96},      {"head_dim", 16},           {"rms_norm_eps", 1e-5},
          {"max_position_embeddings", 64}};
}

Result<ModelDescription> Describe(const Json& config) {
  const TempDir folder = TempDir::Create().value();
  std::ofstream(folder.path() / "config.json") << config.dump();
  return DescribeFolder(folder.path());
}

struct Refusal {
  const char* name;
  const char* model_type;
  const char* patch;  ///< merged into a plain configuration
  const char* message;
};

constexpr Refusal kRefusals[] = {
    {"ModelType", "mixtral", "{}", "model_type \"mixtral\" is not supported (llama, mistral,"},
    {"Multimodal", "gemma3", "{}", "model_type \"gemma3\""},
    {"Activation", "llama", R"({"hidden_act":"relu"})", "hidden_act \"relu\""},
    {"GemmaActivation", "gemma2", R"({"hidden_activation":"gelu"})", "hidden_activation \"gelu\""},
    {"RopeType", "llama", R"({"rope_scaling":{"rope_type":"proportional","factor":2}})",
     "rope_type \"proportional\""},
    {"RopeFactor", "llama", R"({"rope_scaling":{"type":"linear"}})", "\"factor\" is missing"},
    {"RopeObject", "llama", R"({"rope_parameters":[1]})", "rope scaling is [1]"},
    {"ZeroFactor", "llama", R"({"rope_scaling":{"type":"linear","factor":0}})", "scaling factor 0"},
    {"LongFactors", "phi3",
     R"({"rope_scaling":{"type":"longrope","short_factor":[1],"long_factor":[1]}})",
     "short_factor has 1 values, expected 8"},
    {"LongFactorText", "phi3",
     R"({"rope_scaling":{"type":"su","short_factor":["a"],"long_factor":[1]}})",
     "\"short_factor\" is"},
    {"Partial", "llama", R"({"partial_rotary_factor":0.5})", "partial_rotary_factor 0.5"},
    {"OddPart", "phi3", R"({"partial_rotary_factor":0.45})", "7 rotary dimensions"},
    {"LayerTypes", "qwen3", R"({"layer_types":["full_attention"]})", "\"layer_types\""},
    {"LayerType", "gemma2", R"({"layer_types":["chunked_attention","a","a","a","a","a"]})",
     "\"chunked_attention\""},
    {"NoWindow", "gemma2", R"({"sliding_window":null})", "sliding_window is off"},
    {"NegativeWindow", "mistral", R"({"sliding_window":-3})", "sliding window -3"},
    {"NoRopeLayers", "smollm3", R"({"no_rope_layers":[1,1]})", "\"no_rope_layers\""},
    {"Bidirectional", "gemma3_text", R"({"use_bidirectional_attention":true})",
     "\"use_bidirectional_attention\""},
    {"Gemma3Cap", "gemma3_text", R"({"attn_logit_softcapping":50})", "\"attn_logit_softcapping\""},
    {"BaseDropout", "llama", R"({"attention_dropout":0.1})", "\"attention_dropout\" is 0.1"},
    {"Heads", "llama", R"({"num_key_value_heads":3})", "4 heads do not divide evenly"},
    {"Scalar", "gemma2", R"({"query_pre_attn_scalar":-1})", "score scale"},
};

class RefusalTest : public testing::TestWithParam<Refusal> {};

TEST_P(RefusalTest, NamesTheKey) {
  Json config = Plain(GetParam().model_type);
  config.merge_patch(Json::parse(GetParam().patch));
  // A patch removes what is null; here null is a value.
  const Json patch = Json::parse(GetParam().patch);
  for (const auto& [key, value] : patch.items()) config[key] = value;
  const auto description = Describe(config);
  ASSERT_FALSE(description.has_value());
  EXPECT_NE(description.error().message.find(GetParam().message), std::string::npos)
      << description.error().message;
  EXPECT_NE(description.error().message.find("config.json"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Configurations, RefusalTest, testing::ValuesIn(kRefusals),
                         [](const auto& instance) { return std::string(instance.param.name); });

std::vector<std::int64_t> Windows(const ModelDescription& d) {
  std::vector<std::int64_t> windows;
  for (const LayerDescription& layer : d.layer) windows.push_back(layer.window);
  return windows;
}

TEST(DescriptionTest, WindowsAreWhereTheFamilyHasThem) {
  using W = std::vector<std::int64_t>;
  EXPECT_EQ(Windows(*Describe(Plain("mistral"))), (W{4096, 4096, 4096, 4096, 4096, 4096}));
  EXPECT_EQ(Windows(*Describe(Plain("gemma2"))), (W{4096, 0, 4096, 0, 4096, 0}));
  EXPECT_EQ(Windows(*Describe(Plain("gemma3_text"))), (W{4096, 4096, 4096, 4096, 4096, 0}));
  EXPECT_EQ(Windows(*Describe(Plain("qwen2"))), (W{0, 0, 0, 0, 0, 0}));
  Json qwen = Plain("qwen2");
  qwen["use_sliding_window"] = true;
  qwen["sliding_window"] = 8;
  qwen["max_window_layers"] = 4;
  EXPECT_EQ(Windows(*Describe(qwen)), (W{0, 0, 0, 0, 8, 8}));
  Json mistral = Plain("mistral");
  mistral["sliding_window"] = nullptr;
  EXPECT_EQ(Windows(*Describe(mistral)), (W{0, 0, 0, 0, 0, 0}));
}

TEST(DescriptionTest, EveryFourthLayerOfSmolLm3KnowsNoPositions) {
  const auto d = Describe(Plain("smollm3"));
  ASSERT_TRUE(d.has_value()) << d.error().message;
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(d->layer[i].rope.has_value(), i != 3);
  EXPECT_TRUE(d->tied_embeddings);
  EXPECT_EQ(d->ropes[0].theta, 2e6);
}

TEST(DescriptionTest, OldAndNewSpellingsOfGemma3SayTheSame) {
  Json old_way = Plain("gemma3_text");
  old_way["rope_theta"] = 1e6;
  old_way["rope_local_base_freq"] = 20000;
  old_way["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8}};
  Json new_way = Plain("gemma3_text");
  new_way["rope_parameters"] = {
      {"full_attention", {{"rope_type", "linear"}, {"factor", 8}, {"rope_theta", 1e6}}},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 20000}}}};
  for (const Json& config : {old_way, new_way}) {
    const auto d = Describe(config);
    ASSERT_TRUE(d.has_value()) << d.error().message;
    ASSERT_EQ(d->ropes.size(), 2U);
    EXPECT_EQ(d->ropes[0].theta, 1e6);
    EXPECT_EQ(std::get<LinearRopeScaling>(d->ropes[0].scaling).factor, 8);
    EXPECT_EQ(d->ropes[1].theta, 20000);
    EXPECT_TRUE(std::holds_alternative<std::monostate>(d->ropes[1].scaling));
    EXPECT_EQ(d->layer[0].rope, 1U);
    EXPECT_EQ(d->layer[5].rope, 0U);
  }
}

TEST(DescriptionTest, YarnsAttentionFactor) {
  Json config = Plain("llama");
  config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}};
  const auto plain = Describe(config);
  ASSERT_TRUE(plain.has_value()) << plain.error().message;
  EXPECT_NEAR(plain->ropes[0].attention_factor, 0.1 * std::log(4.0) + 1, 1e-12);
  config["rope_scaling"]["mscale"] = 2.0;
  config["rope_scaling"]["mscale_all_dim"] = 1.0;
  EXPECT_NEAR(Describe(config)->ropes[0].attention_factor,
              (0.2 * std::log(4.0) + 1) / (0.1 * std::log(4.0) + 1), 1e-12);
  config["rope_scaling"]["attention_factor"] = 1.5;
  EXPECT_EQ(Describe(config)->ropes[0].attention_factor, 1.5);
}

TEST(DescriptionTest, BothFormsOfAModelSayTheSame) {
  for (const char* name : {"mistral_tiny", "qwen3_tiny", "gemma2_tiny", "gemma3_tiny", "phi3_tiny",
                           "smollm3_tiny", "llama_bias_tiny", "stretched_tiny"}) {
    const auto folder = DescribeModel(parity::Golden("models") / name);
    const auto file = DescribeModel(parity::Golden("gguf") / (std::string(name) + ".gguf"));
    ASSERT_TRUE(folder.has_value() && file.has_value()) << name;
    EXPECT_EQ(folder->hidden, file->hidden) << name;
    EXPECT_EQ(folder->head_dim, file->head_dim) << name;
    EXPECT_EQ(folder->tied_embeddings, file->tied_embeddings) << name;
    EXPECT_EQ(folder->fused_names, file->fused_names) << name;
    EXPECT_EQ(Windows(*folder), Windows(*file)) << name;
    EXPECT_NEAR(folder->ropes[0].attention_factor, file->ropes[0].attention_factor, 1e-6) << name;
    for (std::size_t i = 0; i < folder->layer.size(); ++i) {
      EXPECT_EQ(folder->layer[i].rope, file->layer[i].rope) << name;
      EXPECT_NEAR(folder->layer[i].score_scale, file->layer[i].score_scale, 1e-7) << name;
      EXPECT_EQ(folder->layer[i].score_cap, file->layer[i].score_cap) << name;
    }
  }
}

}  // namespace
}  // namespace lathe::trainer::model
