// What GGUF metadata say and imply, and what is refused, by the name of the key.

#include <gtest/gtest.h>

#include <cmath>
#include <variant>

#include "common/base/temp_dir.h"
#include "tests/worker/trainer/formats/test_files.h"
#include "worker/trainer/model/description.h"

namespace lathe::trainer::model {
namespace {

using Value = std::variant<std::uint32_t, float, std::string, std::vector<bool>>;
using Keys = std::vector<std::pair<std::string, Value>>;

void PutValue(std::string& bytes, const Value& value) {
  if (const auto* integer = std::get_if<std::uint32_t>(&value)) {
    formats::Put<std::uint32_t>(bytes, 4);
    formats::Put(bytes, *integer);
  } else if (const auto* number = std::get_if<float>(&value)) {
    formats::Put<std::uint32_t>(bytes, 6);
    formats::Put(bytes, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    formats::Put<std::uint32_t>(bytes, 8);
    formats::PutString(bytes, *text);
  } else {
    const auto& flags = std::get<std::vector<bool>>(value);
    formats::Put<std::uint32_t>(bytes, 9);
    formats::Put<std::uint32_t>(bytes, 7);
    formats::Put<std::uint64_t>(bytes, flags.size());
    for (const bool flag : flags) formats::Put<std::uint8_t>(bytes, flag ? 1 : 0);
  }
}

/// A file of one architecture with `layers` layers, of whose tensors only the embedding is there.
Result<ModelDescription> Describe(const std::string& arch, std::uint32_t layers, const Keys& more) {
  Keys keys = {{"embedding_length", 64U},    {"block_count", layers},
               {"attention.head_count", 4U}, {"attention.key_length", 8U},
               {"feed_forward_length", 32U}, {"attention.layer_norm_rms_epsilon", 1e-6F},
               {"context_length", 64U}};
  keys.insert(keys.end(), more.begin(), more.end());
  std::string bytes = formats::GgufHeader(3, 1, keys.size() + 1);
  formats::PutString(bytes, "general.architecture");
  PutValue(bytes, arch);
  for (const auto& [key, value] : keys) {
    formats::PutString(bytes, arch + "." + key);
    PutValue(bytes, value);
  }
  formats::PutString(bytes, "token_embd.weight");
  formats::Put<std::uint32_t>(bytes, 2);
  formats::Put<std::uint64_t>(bytes, 64);
  formats::Put<std::uint64_t>(bytes, 10);
  formats::Put<std::uint32_t>(bytes, 0);
  formats::Put<std::uint64_t>(bytes, 0);
  bytes.resize((bytes.size() + 31) / 32 * 32);
  const TempDir folder = TempDir::Create().value();
  formats::WriteQuickly(folder.path() / "model.gguf", bytes + std::string(64 * 10 * 4, '\0'));
  LATHE_ASSIGN_OR_RETURN(const auto gguf, formats::Gguf::Open(folder.path() / "model.gguf"));
  return DescribeGguf(gguf);
}

void ExpectRefused(const Result<ModelDescription>& description, const std::string& message) {
  ASSERT_FALSE(description.has_value());
  EXPECT_NE(description.error().message.find(message), std::string::npos)
      << description.error().message;
}

TEST(DescribeGgufTest, RefusesByName) {
  ExpectRefused(Describe("mamba", 2, {}), "general.architecture \"mamba\"");
  ExpectRefused(Describe("llama", 2, {{"rope.scaling.type", "stretch"}}),
                "llama.rope.scaling.type \"stretch\"");
  ExpectRefused(Describe("qwen2", 2, {{"rope.scaling.type", "linear"}}), "rope.scaling.factor");
  ExpectRefused(Describe("qwen3", 2,
                         {{"rope.scaling.type", "yarn"},
                          {"rope.scaling.factor", 4.0F},
                          {"rope.scaling.yarn_log_multiplier", 0.1F}}),
                "qwen3.rope.scaling.yarn_log_multiplier");
  ExpectRefused(
      Describe("gemma3", 3, {{"attention.sliding_window_pattern", std::vector<bool>{true, false}}}),
      "gemma3.attention.sliding_window_pattern");
  ExpectRefused(Describe("phi3", 2, {{"rope.dimension_count", 7U}}), "7 rotary dimensions");
  ExpectRefused(Describe("gemma2", 2, {{"final_logit_softcapping", -1.0F}}), "soft cap");
}

TEST(DescribeGgufTest, Gemma2) {
  const auto d = Describe("gemma2", 4, {{"attention.sliding_window", 16U}});
  ASSERT_TRUE(d.has_value()) << d.error().message;
  EXPECT_EQ(d->norm_offset, 1);
  EXPECT_EQ(d->embedding_scale, 8);
  EXPECT_EQ(d->logit_cap, 30);
  EXPECT_TRUE(d->tied_embeddings);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(d->layer[i].window, i % 2 == 0 ? 16 : 0);
    EXPECT_EQ(d->layer[i].score_cap, 50);
    EXPECT_NEAR(d->layer[i].score_scale, 1 / std::sqrt(8.0), 1e-12);
    EXPECT_EQ(d->layer[i].activation, kernels::Activation::kGeluTanh);
    EXPECT_TRUE(d->layer[i].sandwich_norms);
  }
}

TEST(DescribeGgufTest, TheLargestGemmasScaleScoresByTheHiddenSizeAHead) {
  EXPECT_NEAR(Describe("gemma2", 46, {})->layer[0].score_scale, 1 / std::sqrt(16.0), 1e-12);
  EXPECT_NEAR(Describe("gemma3", 62, {})->layer[0].score_scale, 1 / std::sqrt(16.0), 1e-12);
  EXPECT_NEAR(Describe("gemma3", 34, {})->layer[0].score_scale, 1 / std::sqrt(8.0), 1e-12);
}

TEST(DescribeGgufTest, Gemma3sWindowsByPeriodOrOneByOne) {
  const auto six = Describe("gemma3", 7, {});
  ASSERT_TRUE(six.has_value()) << six.error().message;
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(six->layer[i].window, i == 5 ? 0 : 4096);
    EXPECT_EQ(six->layer[i].rope, i == 5 ? 0U : 1U);
  }
  const auto listed = Describe(
      "gemma3", 3, {{"attention.sliding_window_pattern", std::vector<bool>{false, true, false}}});
  ASSERT_TRUE(listed.has_value()) << listed.error().message;
  EXPECT_EQ(listed->layer[0].window, 0);
  EXPECT_EQ(listed->layer[1].window, 4096);
}

TEST(DescribeGgufTest, OlderFilesNameALinearFactorAlone) {
  const auto d = Describe("llama", 1, {{"rope.scale_linear", 4.0F}});
  ASSERT_TRUE(d.has_value()) << d.error().message;
  EXPECT_EQ(std::get<LinearRopeScaling>(d->ropes[0].scaling).factor, 4);
}

}  // namespace
}  // namespace lathe::trainer::model
