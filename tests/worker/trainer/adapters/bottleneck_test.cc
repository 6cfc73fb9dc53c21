#include "worker/trainer/adapters/bottleneck.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
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

class BottleneckTest : public testing::TestWithParam<const char*> {
 protected:
  BottleneckTest() : trainable_(StartBottleneck(decoder_, BottleneckVariant(GetParam(), 24), 1)) {}

  at::Tensor Logits(const model::Additions& additions) const {
    const std::int64_t length = tokens_.size(0);
    const model::MicroBatch batch{
        .tokens = tokens_, .positions = at::arange(length, at::kLong), .lengths = {length}};
    const model::PassOptions options;
    return model::Logits(decoder_, additions,
                         model::ForwardLayers({decoder_, additions, batch, options}, nullptr));
  }
  /// The error of loading what was saved with one key of its configuration changed.
  std::string ErrorWith(const std::string& key, const Json& value) const {
    EXPECT_TRUE(trainable_.Save(dir_.path(), "base"));
    Json file = parity::ReadJson(dir_.path() / "adapter_config.json");
    file["config"][key] = value;
    EXPECT_TRUE(WriteFileAtomically(dir_.path() / "adapter_config.json", file.dump()));
    const auto loaded = LoadAdapter(decoder_, dir_.path());
    return loaded ? "" : loaded.error().message;
  }

  const model::Decoder decoder_ = TinyDecoder();
  const at::Tensor tokens_ = at::arange(12, at::kLong) * 17 % 500;
  Trainable trainable_;
  TempDir dir_ = TempDir::Create().value();
};

TEST_P(BottleneckTest, BeginsAsTheBase) {
  EXPECT_TRUE(at::equal(Logits(trainable_.additions), Logits({})));
  EXPECT_GT(trainable_.parameters.abs().max().item<float>(), 0);
  const Trainable again = StartBottleneck(decoder_, BottleneckVariant(GetParam(), 24), 1);
  EXPECT_TRUE(at::equal(again.parameters, trainable_.parameters));
  const Trainable other = StartBottleneck(decoder_, BottleneckVariant(GetParam(), 24), 2);
  EXPECT_FALSE(at::equal(other.parameters, trainable_.parameters));
}

TEST_P(BottleneckTest, SavedAndLoadedIsTheSame) {
  trainable_.parameters.normal_(0, 0.2);
  trainable_.Refresh();
  ASSERT_TRUE(trainable_.Save(dir_.path(), "base"));
  const auto loaded = LoadAdapter(decoder_, dir_.path());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(at::equal(Logits(loaded->additions), Logits(trainable_.additions)));
  EXPECT_EQ(ReadBottleneckSettings(decoder_, dir_.path()).value(),
            BottleneckVariant(GetParam(), 24));
  EXPECT_EQ(PositionsOf(dir_.path()).value(), 0);
}

TEST_P(BottleneckTest, ContinuingWithACacheGivesTheSame) {
  trainable_.parameters.normal_(0, 0.2);
  trainable_.Refresh();
  const model::Additions& additions = trainable_.additions;
  const at::Tensor whole = Logits(additions);
  auto cache = inference::MakeCache(decoder_, additions, 12);
  inference::Append(decoder_, additions, tokens_.narrow(0, 0, 11), cache);
  const at::Tensor last = inference::Append(decoder_, additions, tokens_.narrow(0, 11, 1), cache);
  EXPECT_LT((last - whole[11]).abs().max().item<float>(), 1e-5F);
}

TEST_P(BottleneckTest, WhatIsNotSupportedIsRefusedByName) {
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, Json>>{{"ln_before", true},
                                                 {"ln_after", true},
                                                 {"use_gating", true},
                                                 {"phm_layer", true},
                                                 {"inv_adapter", "nice"},
                                                 {"leave_out", {0}},
                                                 {"scaling", "learned"},
                                                 {"non_linearity", "gelu"},
                                                 {"residual_before_ln", false},
                                                 {"original_ln_after", false},
                                                 {"reduction_factor", {{"default", 2}}},
                                                 {"reduction_factor", 0}}) {
    EXPECT_THAT(ErrorWith(key, value), HasSubstr(key));
  }
  EXPECT_THAT(ErrorWith("reduction_factor", 4), HasSubstr("has shape"));
  EXPECT_EQ(ErrorWith("dropout", 0.1), "");
}

INSTANTIATE_TEST_SUITE_P(Variants, BottleneckTest,
                         testing::Values("pfeiffer", "houlsby", "parallel"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST(BottleneckSizeTest, EverySizeComesBackFromItsFactor) {
  const model::Decoder decoder = TinyDecoder();
  const TempDir dir = TempDir::Create().value();
  for (std::int64_t size = 1; size <= 200; size += size < 70 ? 1 : 13) {
    const auto settings = BottleneckVariant("pfeiffer", size);
    ASSERT_TRUE(StartBottleneck(decoder, settings, 1).Save(dir.path(), "base"));
    EXPECT_EQ(ReadBottleneckSettings(decoder, dir.path()).value().size, size);
  }
}

}  // namespace
}  // namespace lathe::trainer::adapters
