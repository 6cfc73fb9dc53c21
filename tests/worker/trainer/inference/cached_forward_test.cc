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

INSTANTIATE_TEST_SUITE_P(Models, CachedForwardTest,
                         testing::Values("llama3_tiny", "qwen2_window_tiny", "llama_dynamic_tiny",
                                         "mistral_tiny", "qwen3_tiny", "gemma2_tiny", "gemma3_tiny",
                                         "phi3_tiny", "smollm3_tiny"),
                         [](const auto& instance) { return std::string(instance.param); });

}  // namespace
}  // namespace lathe::trainer::inference
