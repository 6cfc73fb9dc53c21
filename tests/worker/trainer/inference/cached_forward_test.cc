#include "worker/trainer/inference/cached_forward.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <gtest/gtest.h>

#include "tests/parity/support.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::inference {
namespace {

TEST(CachedForwardTest, ContinuingGivesTheLogitsOfTheWholeSequence) {
  const auto decoder =
      model::LoadDecoder(parity::Golden("models/llama3_tiny"), {.max_positions = 32});
  ASSERT_TRUE(decoder.has_value());
  const model::Additions none;
  const at::Tensor tokens = at::arange(20, at::kLong) * 17 % 500;
  const model::MicroBatch batch{
      .tokens = tokens, .positions = at::arange(20, at::kLong), .lengths = {20}};
  const model::PassOptions options;
  const at::Tensor whole = model::Logits(
      *decoder, none, model::ForwardLayers({*decoder, none, batch, options}, nullptr));
  KeyValueCache cache = MakeCache(*decoder, 32);
  at::Tensor logits = Append(*decoder, none, tokens.narrow(0, 0, 12), cache);
  EXPECT_LT((logits - whole[11]).abs().max().item<float>(), 1e-5F);
  for (std::int64_t t = 12; t < 20; ++t) {
    logits = Append(*decoder, none, tokens.narrow(0, t, 1), cache);
    EXPECT_LT((logits - whole[t]).abs().max().item<float>(), 1e-5F) << "position " << t;
  }
}

}  // namespace
}  // namespace lathe::trainer::inference
