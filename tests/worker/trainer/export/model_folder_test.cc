#include "worker/trainer/export/model_folder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "tests/parity/support.h"
#include "worker/trainer/export/config_json.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::exporting {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

class ModelFolderTest : public testing::TestWithParam<const char*> {
 protected:
  fs::path source() const { return parity::Golden("models") / GetParam(); }
  static model::Decoder Load(const fs::path& folder, at::ScalarType dtype = at::kFloat) {
    auto decoder = model::LoadDecoder(folder, {.dtype = dtype, .max_positions = 16});
    EXPECT_TRUE(decoder) << decoder.error().message;
    return std::move(*decoder);
  }
  static at::Tensor Logits(const model::Decoder& decoder) {
    const model::MicroBatch batch{.tokens = at::arange(12, at::kLong) * 17 % 120,
                                  .positions = at::arange(12, at::kLong),
                                  .lengths = {12}};
    const model::Additions none;
    const model::PassOptions options;
    return model::Logits(decoder, none,
                         model::ForwardLayers({decoder, none, batch, options}, nullptr));
  }

  TempDir dir_ = TempDir::Create().value();
};

TEST_P(ModelFolderTest, WhatIsWrittenLoadsAsTheSameModel) {
  const model::Decoder decoder = Load(source());
  ASSERT_TRUE(CheckModelFolder(decoder, source()));
  ASSERT_TRUE(WriteModelFolder(decoder, {.source = source()}, dir_.path()));
  EXPECT_TRUE(fs::exists(dir_.path() / "model.safetensors"));
  EXPECT_TRUE(at::equal(Logits(Load(dir_.path())), Logits(decoder)));
}

TEST_P(ModelFolderTest, ALargeModelIsCutIntoShards) {
  const model::Decoder decoder = Load(source());
  ASSERT_TRUE(WriteModelFolder(decoder, {.source = source(), .shard_bytes = 100'000}, dir_.path()));
  EXPECT_FALSE(fs::exists(dir_.path() / "model.safetensors"));
  const Json index = parity::ReadJson(dir_.path() / "model.safetensors.index.json");
  std::int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(dir_.path())) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto shard = parity::Open(entry.path());
    for (const auto& tensor : shard.tensors()) {
      EXPECT_EQ(index["weight_map"][tensor.name], entry.path().filename().string());
      bytes += static_cast<std::int64_t>(tensor.data.size());
    }
  }
  EXPECT_EQ(index["metadata"]["total_size"], bytes);
  EXPECT_TRUE(at::equal(Logits(Load(dir_.path())), Logits(decoder)));
}

TEST_P(ModelFolderTest, TheConfigurationSaysTheTypeThatIsWritten) {
  const model::Decoder decoder = Load(source(), at::kBFloat16);
  ASSERT_TRUE(WriteModelFolder(decoder, {.source = source()}, dir_.path()));
  const Json config = parity::ReadJson(dir_.path() / "config.json");
  EXPECT_EQ(config[config.contains("dtype") ? "dtype" : "torch_dtype"], "bfloat16");
  EXPECT_TRUE(at::equal(Logits(Load(dir_.path(), at::kBFloat16)), Logits(decoder)));
}

INSTANTIATE_TEST_SUITE_P(Models, ModelFolderTest,
                         testing::Values("llama_tiny", "llama3_tiny", "qwen2_tiny", "gemma3_tiny",
                                         "phi3_tiny"),
                         [](const auto& instance) { return std::string(instance.param); });

class ModelFolderOfGguf : public testing::TestWithParam<const char*> {};

TEST_P(ModelFolderOfGguf, IsTheSameModel) {
  const fs::path gguf = parity::Golden("gguf") / (std::string(GetParam()) + "_tiny.gguf");
  const TempDir dir = TempDir::Create().value();
  const auto options = model::LoadOptions{.dtype = at::kFloat, .max_positions = 16};
  const auto decoder = model::LoadDecoder(gguf, options);
  ASSERT_TRUE(decoder) << decoder.error().message;
  const Status written = WriteModelFolder(*decoder, {.source = gguf}, dir.path());
  ASSERT_TRUE(written) << written.error().message;
  const auto again = model::LoadDecoder(dir.path(), options);
  ASSERT_TRUE(again) << again.error().message;
  const auto logits = [](const model::Decoder& of) {
    const model::MicroBatch batch{.tokens = at::arange(14, at::kLong) * 17 % 120,
                                  .positions = at::arange(14, at::kLong),
                                  .lengths = {14}};
    const model::Additions none;
    const model::PassOptions plain;
    return model::Logits(of, none, model::ForwardLayers({of, none, batch, plain}, nullptr));
  };
  EXPECT_LT((logits(*again) - logits(*decoder)).abs().max().item<float>(), 1e-5F);
}

INSTANTIATE_TEST_SUITE_P(Families, ModelFolderOfGguf,
                         testing::Values("gemma2", "gemma3", "phi3", "smollm3", "mistral", "qwen3",
                                         "llama_bias", "stretched"),
                         [](const auto& instance) { return std::string(instance.param); });

/// The scaling that is written for a model whose divisors are these.
Json ScalingOf(const std::vector<float>& divisors) {
  const auto plain = model::DescribeModel(parity::Golden("models/stretched_tiny"));
  EXPECT_TRUE(plain) << plain.error().message;
  model::ModelDescription description = *plain;
  description.ropes[0].scaling = model::FixedRopeScaling{divisors};
  return Json::parse(ConfigJson(description, at::kFloat)->dump())["rope_scaling"];
}

TEST(ModelFolderOfGgufTest, DivisorsAreLlamas3sWhereTheyCanBe) {
  const fs::path gguf = parity::Golden("gguf/stretched_tiny.gguf");
  const auto of_file = model::DescribeModel(gguf);
  ASSERT_TRUE(of_file) << of_file.error().message;
  const auto divisors = std::get<model::FixedRopeScaling>(of_file->ropes[0].scaling).divisors;
  const Json found = ScalingOf(divisors);
  EXPECT_EQ(found["rope_type"], "llama3");
  EXPECT_EQ(found["factor"], 8.0);
  EXPECT_EQ(found["original_max_position_embeddings"], 64);
  std::vector<float> odd = divisors;
  odd[3] *= 1.01F;
  const Json other = ScalingOf(odd);
  EXPECT_EQ(other["rope_type"], "longrope");
  EXPECT_EQ(other["short_factor"], Json(odd));
  EXPECT_EQ(other["long_factor"], Json(odd));
}

TEST(ModelFolderOfGgufTest, TheDemoModelBecomesAFolder) {
  const fs::path gguf = parity::DemoModel();
  const TempDir dir = TempDir::Create().value();
  const auto options = model::LoadOptions{.dtype = at::kBFloat16, .max_positions = 16};
  const auto decoder = model::LoadDecoder(gguf, options);
  ASSERT_TRUE(decoder) << decoder.error().message;
  ASSERT_TRUE(WriteModelFolder(*decoder, {.source = gguf}, dir.path()));
  const auto again = model::LoadDecoder(dir.path(), options);
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->description.end_tokens, decoder->description.end_tokens);
  EXPECT_EQ(again->description.ropes[0].theta, decoder->description.ropes[0].theta);
  EXPECT_TRUE(at::equal(again->layers[3].qkv.weight, decoder->layers[3].qkv.weight));
  EXPECT_TRUE(at::equal(again->embedding, decoder->embedding));
}

}  // namespace
}  // namespace lathe::trainer::exporting
