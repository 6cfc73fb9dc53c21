#include "worker/trainer/inference/cached_forward.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include "tests/parity/support.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::inference {
namespace {

class CachedForwardTest : public testing::TestWithParam<const char*> {};

TEST_P(CachedForwardTest, ContinuingGivesTheLogitsOfTheWholeSequence) {
  const auto decoder =
      model::LoadDecoder(parity::Golden("models") / GetParam(), {.max_positions = 32});
  ASSERT_TRUE(decoder.has_value());
  const model::Additions none;
  const at::Tensor tokens = at::arange(20, at::kLong) * 17 % 120;
  const model::PassOptions options;
  // A shorter sequence may turn positions by other angles than a longer one, so each has its pass.
  const auto whole = [&](std::int64_t length) {
    const model::MicroBatch batch{.tokens = tokens.narrow(0, 0, length),
                                  .positions = at::arange(length, at::kLong),
                                  .lengths = {length}};
    const at::Tensor hidden = model::ForwardLayers({*decoder, none, batch, options}, nullptr);
    return model::Logits(*decoder, none, hidden).select(0, length - 1);
  };
  KeyValueCache cache = MakeCache(*decoder, none, 32);
  at::Tensor logits = Append(*decoder, none, tokens.narrow(0, 0, 11), cache);
  EXPECT_LT((logits - whole(11)).abs().max().item<float>(), 1e-5F);
  for (std::int64_t t = 11; t < 20; ++t) {
    logits = Append(*decoder, none, tokens.narrow(0, t, 1), cache);
    EXPECT_LT((logits - whole(t + 1)).abs().max().item<float>(), 1e-5F) << "position " << t;
  }
}

TEST_P(CachedForwardTest, SequencesTogetherGiveWhatEachGivesAlone) {
  const auto decoder =
      model::LoadDecoder(parity::Golden("models") / GetParam(), {.max_positions = 32});
  ASSERT_TRUE(decoder.has_value());
  const model::Additions none;
  const at::Tensor tokens = at::arange(60, at::kLong) * 17 % 120;
  std::vector<KeyValueCache> alone;
  std::vector<KeyValueCache> together;
  for (const std::int64_t length : {11, 3, 8}) {
    for (auto* list : {&alone, &together}) {
      list->push_back(MakeCache(*decoder, none, 32));
      Append(*decoder, none, tokens.narrow(0, 0, length), list->back());
    }
  }
  for (std::int64_t t = 20; t < 50; t += 3) {
    const at::Tensor next = tokens.narrow(0, t, 3);
    const at::Tensor logits =
        AppendToEach(*decoder, none, next, {&together[0], &together[1], &together[2]});
    for (std::int64_t i = 0; i < 3; ++i) {
      const at::Tensor own =
          Append(*decoder, none, next.narrow(0, i, 1), alone[static_cast<std::size_t>(i)]);
      EXPECT_LT((logits.select(0, i) - own).abs().max().item<float>(), 1e-5F) << "token " << t;
    }
  }
}

TEST_P(CachedForwardTest, ManyTokensContinueFewAsOneByOne) {
  const auto decoder =
      model::LoadDecoder(parity::Golden("models") / GetParam(), {.max_positions = 48});
  ASSERT_TRUE(decoder.has_value());
  const model::Additions none;
  const at::Tensor tokens = at::arange(48, at::kLong) * 17 % 120;
  KeyValueCache together = MakeCache(*decoder, none, 48);
  KeyValueCache one_by_one = MakeCache(*decoder, none, 48);
  Append(*decoder, none, tokens.narrow(0, 0, 7), together);
  const at::Tensor logits = Append(*decoder, none, tokens.narrow(0, 7, 41), together);
  at::Tensor last;
  for (std::int64_t t = 0; t < 48; ++t) {
    last = Append(*decoder, none, tokens.narrow(0, t, 1), one_by_one);
  }
  EXPECT_LT((logits - last).abs().max().item<float>(), 1e-5F);
}

INSTANTIATE_TEST_SUITE_P(Models, CachedForwardTest,
                         testing::Values("llama3_tiny", "qwen2_window_tiny", "llama_dynamic_tiny",
                                         "mistral_tiny", "qwen3_tiny", "gemma2_tiny", "gemma3_tiny",
                                         "phi3_tiny", "smollm3_tiny"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace lathe::trainer::inference
