// The backward pass of every family: against finite differences of the loss, with layers computed
// again, and in bf16. tests/parity compares whole runs with the Python reference.

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/adapters/tiny_adapter.h"
#include "worker/trainer/objectives/supervised.h"

namespace lathe::trainer::model {
namespace {

struct Outcome {
  double loss = 0;
  at::Tensor gradients;
};

class GradientTest : public testing::TestWithParam<const char*> {
 protected:
  static Decoder Load(at::ScalarType dtype) {
    return LoadDecoder(parity::Golden("models") / GetParam(), {.dtype = dtype, .max_positions = 32})
        .value();
  }

  /// Two sequences, one of which is longer than every window.
  static Outcome Run(const Decoder& decoder, adapters::LoraAdapter& adapter,
                     const PassOptions& options) {
    const at::Tensor tokens = at::arange(29, at::kLong) * 17 % 120;
    const at::Tensor positions = at::cat({at::arange(20, at::kLong), at::arange(9, at::kLong)});
    const MicroBatch batch{.tokens = tokens, .positions = positions, .lengths = {20, 9}};
    Additions additions;
    additions.low_rank = adapter.low_rank();
    const PassContext pass{decoder, additions, batch, options};
    adapter.gradients().zero_();
    Tape tape;
    const at::Tensor hidden = ForwardLayers(pass, &tape);
    const objectives::Targets targets{.rows = at::arange(28, at::kLong),
                                      .labels = tokens.narrow(0, 1, 28)};
    auto output = objectives::MakeSupervised().compute({pass, hidden, targets, {}, 1.0 / 28});
    BackwardLayers(pass, tape, std::move(output.dhidden));
    return {output.loss / 28, adapter.gradients().clone()};
  }
};

INSTANTIATE_TEST_SUITE_P(Models, GradientTest,
                         testing::Values("llama_tiny", "qwen2_tiny", "llama_bias_tiny",
                                         "mistral_tiny", "qwen3_tiny", "gemma2_tiny", "gemma3_tiny",
                                         "phi3_tiny", "smollm3_tiny"),
                         [](const auto& instance) { return std::string(instance.param); });

TEST_P(GradientTest, FiniteDifferencesAgree) {
  const Decoder decoder = Load(at::kFloat);
  auto adapter = adapters::DrawnAdapter(decoder, {.rank = 3, .alpha = 1});
  const Outcome outcome = Run(decoder, adapter, {});
  // Along the gradient, where the change of the loss stands out most from rounding.
  const double norm = outcome.gradients.norm().item<double>();
  const at::Tensor start = adapter.parameters().clone();
  const auto loss_at = [&](double distance) {
    adapter.parameters().copy_(start + outcome.gradients * (distance / norm));
    adapter.Refresh();
    return Run(decoder, adapter, {}).loss;
  };
  constexpr double kStep = 2e-3;
  const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
  EXPECT_NEAR(slope, norm, 2e-3 * norm);
}

TEST_P(GradientTest, ComputingLayersAgainChangesNothing) {
  const Decoder decoder = Load(at::kFloat);
  auto adapter = adapters::DrawnAdapter(decoder, {.rank = 2, .dropout = 0.2});
  const Outcome kept = Run(decoder, adapter, {.dropout_seed = 5});
  const Outcome again = Run(decoder, adapter, {.dropout_seed = 5, .recompute = true});
  EXPECT_EQ(kept.loss, again.loss);
  EXPECT_TRUE(at::equal(kept.gradients, again.gradients));
  // On a CPU there is nothing to move.
  const Outcome offloaded = Run(decoder, adapter, {.dropout_seed = 5, .offload = true});
  EXPECT_TRUE(at::equal(kept.gradients, offloaded.gradients));
}

TEST_P(GradientTest, KeptPackedWeightsChangeNothing) {
  Decoder decoder = Load(at::kBFloat16);
  auto adapter = adapters::DrawnAdapter(decoder, {.rank = 3, .alpha = 1});
  const Outcome packed_each_time = Run(decoder, adapter, {});
  EXPECT_EQ(PackableBytes(decoder) > 0, kernels::GainsByKeptPanels(at::kBFloat16));
  KeepPacked(decoder);
  for (int pass = 0; pass < 2; ++pass) {
    EXPECT_TRUE(at::equal(Run(decoder, adapter, {}).gradients, packed_each_time.gradients));
  }
}

TEST_P(GradientTest, Bfloat16PointsTheSameWay) {
  const Decoder wide = Load(at::kFloat);
  const Decoder narrow = Load(at::kBFloat16);
  auto wide_adapter = adapters::DrawnAdapter(wide, {.rank = 3, .alpha = 1});
  auto narrow_adapter = adapters::DrawnAdapter(narrow, {.rank = 3, .alpha = 1});
  narrow_adapter.parameters().copy_(wide_adapter.parameters());
  narrow_adapter.Refresh();
  const Outcome a = Run(wide, wide_adapter, {});
  const Outcome b = Run(narrow, narrow_adapter, {});
  EXPECT_NEAR(a.loss, b.loss, 0.02 * a.loss);
  const at::Tensor product = at::dot(a.gradients, b.gradients);
  const at::Tensor norms = a.gradients.norm() * b.gradients.norm();
  EXPECT_GT((product / norms).item<double>(), 0.98);
}

}  // namespace
}  // namespace lathe::trainer::model
