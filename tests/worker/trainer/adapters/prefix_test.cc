#include "worker/trainer/adapters/prefix.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "tests/worker/trainer/adapters/tiny_adapter.h"
#include "worker/trainer/adapters/load.h"
#include "worker/trainer/inference/cached_forward.h"

namespace lathe::trainer::adapters {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

constexpr std::int64_t kLength = 6;

class PrefixTest : public testing::Test {
 protected:
  /// The rows of the keys and values that the base computes of tokens.
  at::Tensor RowsOf(const at::Tensor& tokens) const {
    const model::Additions none;
    auto cache = inference::MakeCache(decoder_, none, tokens.size(0));
    inference::Append(decoder_, none, tokens, cache);
    std::vector<at::Tensor> columns;
    for (std::size_t layer = 0; layer < decoder_.layers.size(); ++layer) {
      columns.push_back(cache.keys[layer].transpose(0, 1).flatten(1));
      columns.push_back(cache.values[layer].transpose(0, 1).flatten(1));
    }
    return at::cat(columns, 1);
  }
  at::Tensor Logits(const model::Additions& additions, const at::Tensor& tokens) const {
    const std::int64_t length = tokens.size(0);
    const model::MicroBatch batch{
        .tokens = tokens, .positions = at::arange(length, at::kLong), .lengths = {length}};
    const model::PassOptions options;
    return model::Logits(decoder_, additions,
                         model::ForwardLayers({decoder_, additions, batch, options}, nullptr));
  }
  static float Distance(const at::Tensor& a, const at::Tensor& b) {
    return (a - b).abs().max().item<float>();
  }
  std::string ErrorOf(const Json& config) const {
    EXPECT_TRUE(WriteFileAtomically(dir_.path() / "adapter_config.json", config.dump()));
    const auto loaded = LoadAdapter(decoder_, dir_.path());
    return loaded ? "" : loaded.error().message;
  }

  const model::Decoder decoder_ = TinyDecoder();
  const at::Tensor tokens_ = at::arange(20, at::kLong) * 17 % 500;
  const at::Tensor rows_ = RowsOf(tokens_.narrow(0, 0, kLength));
  const at::Tensor rest_ = tokens_.narrow(0, kLength, 20 - kLength);
  TempDir dir_ = TempDir::Create().value();
};

TEST_F(PrefixTest, OfRealTokensIsAsIfTheyWereThere) {
  const at::Tensor whole = Logits({}, tokens_).narrow(0, kLength, 20 - kLength);
  const Trainable plain = StartPrefix(decoder_, {.length = kLength}, rows_, 1);
  EXPECT_LT(Distance(Logits(plain.additions, rest_), whole), 1e-5F);
  const Trainable projected =
      StartPrefix(decoder_, {.length = kLength, .projection_size = 32}, rows_, 1);
  EXPECT_LT(Distance(Logits(projected.additions, rest_), whole), 1e-4F);
  EXPECT_GT(Distance(Logits({}, rest_), whole), 0.01F) << "the prefix changes nothing";
}

TEST_F(PrefixTest, ContinuingWithACacheGivesTheSame) {
  const Trainable prefix = StartPrefix(decoder_, {.length = kLength}, rows_ * 1.5, 1);
  const at::Tensor whole = Logits(prefix.additions, rest_);
  auto cache = inference::MakeCache(decoder_, prefix.additions, rest_.size(0));
  at::Tensor logits = inference::Append(decoder_, prefix.additions, rest_.narrow(0, 0, 9), cache);
  EXPECT_LT(Distance(logits, whole[8]), 1e-5F);
  for (std::int64_t t = 9; t < rest_.size(0); ++t) {
    logits = inference::Append(decoder_, prefix.additions, rest_.narrow(0, t, 1), cache);
    EXPECT_LT(Distance(logits, whole[t]), 1e-5F) << "token " << t;
  }
}

TEST_F(PrefixTest, SavedAndLoadedIsTheSameWithAndWithoutProjection) {
  for (const auto& size : {std::optional<std::int64_t>(), std::optional<std::int64_t>(16)}) {
    Trainable prefix =
        StartPrefix(decoder_, {.length = kLength, .projection_size = size}, rows_, 1);
    prefix.parameters.add_(0.01);
    prefix.Refresh();
    ASSERT_TRUE(prefix.Save(dir_.path(), "base"));
    EXPECT_EQ(PositionsOf(dir_.path()).value(), kLength);
    const auto loaded = LoadAdapter(decoder_, dir_.path());
    ASSERT_TRUE(loaded) << loaded.error().message;
    EXPECT_LT(Distance(Logits(loaded->additions, rest_), Logits(prefix.additions, rest_)), 1e-6F);
  }
}

TEST_F(PrefixTest, TheConfigurationIsWhatPeftReads) {
  ASSERT_TRUE(StartPrefix(decoder_, {.length = kLength}, rows_, 1).Save(dir_.path(), "base"));
  const Json config = parity::ReadJson(dir_.path() / "adapter_config.json");
  EXPECT_EQ(config["peft_type"], "PREFIX_TUNING");
  EXPECT_EQ(config["num_virtual_tokens"], kLength);
  EXPECT_EQ(config["num_layers"], 2);
  EXPECT_EQ(config["num_attention_heads"], 2) << "of keys and values";
  EXPECT_EQ(config["token_dim"], 32);
  EXPECT_EQ(config["base_model_name_or_path"], "base");
}

TEST_F(PrefixTest, TheProjectionIsDrawnFromTheSeed) {
  const PrefixSettings settings{.length = kLength, .projection_size = 8};
  const auto draw = [&](std::uint64_t seed) {
    return StartPrefix(decoder_, settings, rows_, seed).parameters;
  };
  EXPECT_TRUE(at::equal(draw(1), draw(1)));
  EXPECT_FALSE(at::equal(draw(1), draw(2)));
}

TEST_F(PrefixTest, WhatDoesNotFitIsRefused) {
  EXPECT_THAT(ErrorOf({{"peft_type", "PREFIX_TUNING"}, {"num_virtual_tokens", 0}}),
              HasSubstr("num_virtual_tokens"));
  EXPECT_THAT(ErrorOf({{"peft_type", "PREFIX_TUNING"}, {"num_virtual_tokens", 1e9}}),
              HasSubstr("num_virtual_tokens"));
  EXPECT_THAT(ErrorOf({{"peft_type", "VERA"}}), HasSubstr("VERA"));
  EXPECT_THAT(ErrorOf(Json::array()), HasSubstr("not a JSON object"));
  EXPECT_THAT(ErrorOf({{"something", 1}}), HasSubstr("no kind that is known"));
  ASSERT_TRUE(StartPrefix(decoder_, {.length = kLength}, rows_, 1).Save(dir_.path(), "base"));
  EXPECT_THAT(ErrorOf({{"peft_type", "PREFIX_TUNING"}, {"num_virtual_tokens", 7}}),
              HasSubstr("prompt_embeddings has shape [6, 128], expected [7, 128]"));
}

}  // namespace
}  // namespace lathe::trainer::adapters
