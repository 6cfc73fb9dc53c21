#include "worker/trainer/adapters/peft.h"

#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/adapters/tiny_adapter.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::trainer::adapters {
namespace {

using formats::DType;
using formats::TensorInfo;
using Json = nlohmann::json;
using testing::HasSubstr;

class PeftTest : public testing::Test {
 protected:
  const std::filesystem::path& folder() const { return dir_.path(); }

  Json ReadConfig() const { return parity::ReadJson(folder() / "adapter_config.json"); }
  void WriteConfig(const Json& config) const {
    ASSERT_TRUE(WriteFileAtomically(folder() / "adapter_config.json", config.dump()));
  }
  /// The error of reading the settings with one key changed.
  std::string SettingsError(const std::string& key, const Json& value) const {
    Json config = {{"peft_type", "LORA"}, {"r", 4}, {"target_modules", {"q_proj"}}};
    config[key] = value;
    WriteConfig(config);
    const auto settings = ReadPeftSettings(folder());
    if (settings) return "";
    EXPECT_EQ(settings.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(settings.error().message, HasSubstr("adapter_config.json"));
    return settings.error().message;
  }

  /// Writes the adapter's weights changed by `change`, and tells the error of loading them.
  template <class Change>
  Error LoadError(const Change& change) {
    const LoraAdapter adapter = DrawnAdapter(decoder_, {.rank = 2, .modules = {"q_proj"}});
    EXPECT_TRUE(WritePeft(adapter, "base", folder()));
    const auto path = folder() / "adapter_model.safetensors";
    {
      const auto file = formats::Safetensors::OpenFile(path).value();
      std::vector<TensorInfo> tensors = file.tensors();
      change(tensors);
      EXPECT_TRUE(formats::WriteSafetensors(path, tensors, {}));
    }
    const auto loaded = LoadPeft(decoder_, folder(), Purpose::kInference);
    return loaded ? Error{} : loaded.error();
  }

  const model::Decoder decoder_ = TinyDecoder();
  TempDir dir_ = TempDir::Create().value();
};

TEST_F(PeftTest, WhatIsWrittenIsReadTheSame) {
  const LoraSettings settings{.rank = 3,
                              .alpha = 6.5,
                              .dropout = 0.25,
                              .rslora = true,
                              .modules = {"q_proj", "lm_head", "layers.1.mlp.up_proj"},
                              .rank_pattern = {{"lm_head", 5}},
                              .alpha_pattern = {{"lm_head", 9}}};
  const LoraAdapter written = DrawnAdapter(decoder_, settings);
  ASSERT_TRUE(WritePeft(written, "base", folder()));
  const auto read = LoadPeft(decoder_, folder(), Purpose::kTraining);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->modules().size(), written.modules().size());
  for (std::size_t i = 0; i < read->modules().size(); ++i) {
    EXPECT_EQ(read->modules()[i].name, written.modules()[i].name);
    EXPECT_EQ(read->modules()[i].scale, written.modules()[i].scale);
  }
  EXPECT_TRUE(at::equal(read->parameters(), written.parameters()));
  EXPECT_EQ(read->settings().dropout, 0.25);
}

TEST_F(PeftTest, TheConfigurationHasTheKeysThatPeftReads) {
  ASSERT_TRUE(WritePeft(DrawnAdapter(decoder_, {.rank = 4, .alpha = 8}), "the-base", folder()));
  const Json config = ReadConfig();
  const Json expected = {
      {"alpha_pattern", Json::object()},
      {"auto_mapping", nullptr},
      {"base_model_name_or_path", "the-base"},
      {"bias", "none"},
      {"exclude_modules", nullptr},
      {"fan_in_fan_out", false},
      {"inference_mode", true},
      {"init_lora_weights", true},
      {"layer_replication", nullptr},
      {"layers_pattern", nullptr},
      {"layers_to_transform", nullptr},
      {"loftq_config", Json::object()},
      {"lora_alpha", 8},
      {"lora_bias", false},
      {"lora_dropout", 0.0},
      {"megatron_config", nullptr},
      {"megatron_core", "megatron.core"},
      {"modules_to_save", nullptr},
      {"peft_type", "LORA"},
      {"r", 4},
      {"rank_pattern", Json::object()},
      {"revision", nullptr},
      {"target_modules",
       {"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"}},
      {"task_type", "CAUSAL_LM"},
      {"use_dora", false},
      {"use_rslora", false}};
  EXPECT_EQ(config, expected);
  // Every key is one that PEFT itself writes.
  const Json theirs =
      parity::ReadJson(parity::Golden("runs/llama_lora_qv/initial_adapter/adapter_config.json"));
  for (const auto& item : config.items()) EXPECT_TRUE(theirs.contains(item.key())) << item.key();
  const auto text = ReadFile(folder() / "adapter_config.json");
  EXPECT_THAT(*text, HasSubstr("\"lora_alpha\": 8,"));  // Not 8.0.
}

TEST_F(PeftTest, TheTensorsAreNamedAndShapedAsInPeft) {
  ASSERT_TRUE(WritePeft(DrawnAdapter(decoder_, {.rank = 4, .modules = {"k_proj"}}), "b", folder()));
  const auto file = parity::Open(folder() / "adapter_model.safetensors");
  EXPECT_EQ(file.tensors().size(), 4U);
  const TensorInfo* a = file.Find("base_model.model.model.layers.1.self_attn.k_proj.lora_A.weight");
  const TensorInfo* b = file.Find("base_model.model.model.layers.1.self_attn.k_proj.lora_B.weight");
  ASSERT_TRUE(a != nullptr && b != nullptr);
  EXPECT_EQ(a->shape, (std::vector<std::int64_t>{4, 64}));
  EXPECT_EQ(b->shape, (std::vector<std::int64_t>{32, 4}));
  EXPECT_EQ(a->dtype, DType::kF32);
  EXPECT_EQ(file.metadata().at("format"), "pt");
}

TEST_F(PeftTest, LoadsWhatPeftWrote) {
  for (const char* run : {"llama_lora_qv", "llama_lora_all"}) {
    const auto loaded =
        LoadPeft(decoder_, parity::Golden("runs") / run / "initial_adapter", Purpose::kInference);
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_EQ(loaded->modules().size(), std::string(run) == "llama_lora_qv" ? 4U : 14U);
  }
}

TEST_F(PeftTest, MissingSurplusAndMisshapenTensorsAreNamedAllAtOnce) {
  const std::string prefix = "base_model.model.model.layers.";
  const Error error = LoadError([&](std::vector<TensorInfo>& tensors) {
    tensors[0].name = prefix + "9.self_attn.q_proj.lora_A.weight";  // was layer 0's
    for (TensorInfo& tensor : tensors) {
      if (tensor.name == prefix + "1.self_attn.q_proj.lora_A.weight") tensor.shape = {1, 128};
    }
  });
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  ASSERT_EQ(error.findings.size(), 3U);
  EXPECT_THAT(error.findings[0].message, HasSubstr("0.self_attn.q_proj.lora_A.weight is missing"));
  EXPECT_THAT(error.findings[1].message, HasSubstr("[1, 128], expected [2, 64]"));
  EXPECT_THAT(error.findings[2].message, HasSubstr("9.self_attn.q_proj.lora_A.weight belongs to"));
  EXPECT_THAT(error.message, HasSubstr("adapter_model.safetensors"));
}

TEST_F(PeftTest, AFailedReadLeavesTheAdapterAsItWas) {
  LoraAdapter adapter = DrawnAdapter(decoder_, {.rank = 2, .modules = {"q_proj"}});
  const at::Tensor before = adapter.parameters().clone();
  ASSERT_TRUE(WritePeft(DrawnAdapter(decoder_, {.rank = 2, .modules = {"v_proj"}}), "b", folder()));
  EXPECT_FALSE(ReadPeftWeights(folder(), adapter));
  EXPECT_TRUE(at::equal(adapter.parameters(), before));
}

TEST_F(PeftTest, TheFrozenWeightOfAnAdaptedHeadIsPassedOver) {
  static const std::vector<std::byte> bytes(16);
  const Error error = LoadError([](std::vector<TensorInfo>& tensors) {
    tensors.push_back({"base_model.model.lm_head.base_layer.weight", DType::kF32, {2, 2}, bytes});
  });
  EXPECT_TRUE(error.message.empty()) << error.message;
}

TEST_F(PeftTest, FeaturesThatAreNotSupportedAreRefusedByName) {
  for (const auto& [key, value] : std::vector<std::pair<std::string, Json>>{
           {"modules_to_save", {"lm_head"}},
           {"bias", "some"},
           {"lora_bias", true},
           {"fan_in_fan_out", true},
           {"layer_replication", Json::array({Json::array({0, 1})})},
           {"layers_to_transform", {0}},
           {"exclude_modules", {"q_proj"}},
           {"trainable_token_indices", {1, 2}},
           {"target_parameters", {"w"}},
           {"alora_invocation_tokens", {1}},
           {"use_qalora", true},
           {"init_lora_weights", "pissa_niter_16"},
           {"peft_type", "PREFIX_TUNING"}}) {
    EXPECT_THAT(SettingsError(key, value), HasSubstr(key));
  }
  EXPECT_EQ(SettingsError("init_lora_weights", "gaussian"), "");
  EXPECT_EQ(SettingsError("modules_to_save", nullptr), "");
}

TEST_F(PeftTest, DoraAndBiasesComeBackAsTheyWere) {
  const model::Decoder qwen =
      model::LoadDecoder(parity::Golden("models/qwen2_tiny"), {.max_positions = 8}).value();
  const LoraSettings settings{
      .rank = 2, .dora = true, .bias = BiasTraining::kAll, .modules = {"q_proj", "down_proj"}};
  LoraAdapter adapter = DrawnAdapter(qwen, settings);
  adapter.parameters().normal_();
  adapter.Refresh();
  ASSERT_TRUE(WritePeft(adapter, "b", folder()));
  const auto file = parity::Open(folder() / "adapter_model.safetensors");
  const std::string layer = "base_model.model.model.layers.0.self_attn.";
  EXPECT_NE(file.Find(layer + "q_proj.lora_magnitude_vector"), nullptr);
  EXPECT_NE(file.Find(layer + "q_proj.base_layer.bias"), nullptr);
  EXPECT_NE(file.Find(layer + "k_proj.bias"), nullptr);
  const auto loaded = LoadPeft(qwen, folder(), Purpose::kInference);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(loaded->parameters().equal(adapter.parameters()));
  const std::size_t qkv = model::GroupIndex(0, model::Site::kQkv);
  const model::LowRankGroup& group = *loaded->low_rank().Find(qkv);
  EXPECT_TRUE(group.bias.equal(adapter.low_rank().Find(qkv)->bias));
  EXPECT_TRUE(group.scales->factor.equal(adapter.low_rank().Find(qkv)->scales->factor));
}

TEST_F(PeftTest, ValuesThatMakeNoSenseAreRefused) {
  EXPECT_THAT(SettingsError("r", 0), HasSubstr("r and the values of rank_pattern"));
  EXPECT_THAT(SettingsError("r", 1'000'000'000'000), HasSubstr("between 1 and"));
  EXPECT_THAT(SettingsError("rank_pattern", {{"q_proj", 0}}), HasSubstr("rank_pattern"));
  EXPECT_NE(SettingsError("r", "eight"), "");
  EXPECT_THAT(SettingsError("target_modules", Json::array()), HasSubstr("target_modules"));
  EXPECT_THAT(SettingsError("target_modules", ".*q_proj"), HasSubstr("patterns are not read"));
  EXPECT_THAT(SettingsError("target_modules", nullptr), HasSubstr("target_modules"));
  EXPECT_EQ(SettingsError("target_modules", "all-linear"), "");
}

TEST_F(PeftTest, MissingAndBrokenFilesAreNamed) {
  EXPECT_EQ(ReadPeftSettings(folder()).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(WriteFileAtomically(folder() / "adapter_config.json", "{"));
  EXPECT_THAT(ReadPeftSettings(folder()).error().message, HasSubstr("not a JSON object"));
  WriteConfig({{"peft_type", "LORA"}, {"r", 2}, {"target_modules", {"q_proj"}}});
  const auto loaded = LoadPeft(decoder_, folder(), Purpose::kInference);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message, HasSubstr("adapter_model.safetensors"));
}

}  // namespace
}  // namespace lathe::trainer::adapters
