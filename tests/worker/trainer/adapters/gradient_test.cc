// Every method's gradients beside finite differences of the loss: a random direction in each named
// tensor, on two sequences of different length, with what is trained drawn so that nothing is zero.

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/worker/trainer/adapters/tiny_adapter.h"
#include "worker/trainer/adapters/bottleneck.h"
#include "worker/trainer/adapters/full.h"
#include "worker/trainer/adapters/peft.h"
#include "worker/trainer/adapters/prefix.h"
#include "worker/trainer/objectives/supervised.h"

namespace lathe::trainer::adapters {
namespace {

struct Case {
  const char* name;
  const char* model;
  Trainable (*make)(model::Decoder& decoder);
  bool recompute = false;
};

at::Tensor Drawn(at::IntArrayRef sizes, double deviation) {
  return at::empty(sizes, at::kFloat).normal_(0, deviation);
}

Trainable Full(model::Decoder& decoder) {
  return MakeFull(decoder, at::kFloat, [](const auto&) { return Status(); });
}

Trainable Lora(model::Decoder& decoder) {
  return ToTrainable(DrawnAdapter(decoder, {.rank = 3}));
}

Trainable Prefix(model::Decoder& decoder) {
  return StartPrefix(decoder, {.length = 4}, Drawn({4, PrefixWidth(decoder)}, 0.5), 1);
}

Trainable Projection(model::Decoder& decoder) {
  return StartPrefix(decoder, {.length = 4, .projection_size = 6},
                     Drawn({4, PrefixWidth(decoder)}, 0.5), 1);
}

template <char kVariant>
Trainable Bottlenecks(model::Decoder& decoder) {
  const char* variant = kVariant == 'p' ? "pfeiffer" : (kVariant == 'h' ? "houlsby" : "parallel");
  Trainable trainable = StartBottleneck(decoder, BottleneckVariant(variant, 6), 1);
  trainable.parameters.normal_(0, 0.05);
  trainable.Refresh();
  return trainable;
}

class Gradients : public testing::TestWithParam<Case> {
 protected:
  Gradients() {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(3);
    trainable_ = GetParam().make(decoder_);
    // Not the padding token: its embedding is zero in some models, where norms have no slope.
    batch_ = {.tokens = at::arange(16, at::kLong) * 37 % 118 + 1,
              .positions = at::cat({at::arange(9, at::kLong), at::arange(7, at::kLong)}),
              .lengths = {9, 7}};
    targets_ = {.rows = at::arange(2, 9, at::kLong), .labels = at::arange(7, at::kLong) * 11};
  }

  double Loss(double gradient_scale) {
    const model::PassOptions options{.recompute = GetParam().recompute};
    const model::PassContext pass{decoder_, trainable_.additions, batch_, options};
    model::Tape tape;
    const at::Tensor hidden = model::ForwardLayers(pass, &tape);
    auto output =
        objectives::MakeSupervised().compute({pass, hidden, targets_, {}, gradient_scale});
    if (gradient_scale != 0) model::BackwardLayers(pass, tape, std::move(output.dhidden));
    return output.loss;
  }
  double LossAt(const at::Tensor& parameters) {
    trainable_.parameters.copy_(parameters);
    trainable_.Refresh();
    return Loss(0);
  }

  model::Decoder decoder_ =
      model::LoadDecoder(parity::Golden("models") / GetParam().model, {.max_positions = 32})
          .value();
  Trainable trainable_;
  model::MicroBatch batch_;
  objectives::Targets targets_;
};

TEST_P(Gradients, AreThoseOfTheLoss) {
  trainable_.ZeroGradients();
  Loss(1);
  trainable_.FinishGradients();
  const at::Tensor start = trainable_.parameters.clone();
  const at::Tensor gradients = trainable_.gradients.clone();
  for (const NamedView& view : trainable_.views) {
    const at::Tensor gradient = view.Of(gradients);
    // Along the gradient itself, so that the difference stands out from rounding.
    const double norm = gradient.norm().item<double>();
    ASSERT_GT(norm, 0) << view.name;
    at::Tensor step = Drawn(view.shape, 1);
    step = (step / step.norm() + gradient / norm) * (0.005 / std::max(1.0, norm));
    at::Tensor moved = start.clone();
    view.Of(moved).add_(step);
    const double above = LossAt(moved);
    view.Of(moved).sub_(step, 2);
    const double measured = (above - LossAt(moved)) / 2;
    const double expected = (gradient * step).sum().item<double>();
    // The corners of ReLU that lie within a step cost a few percent.
    EXPECT_NEAR(measured, expected, 0.08 * std::abs(expected) + 5e-5) << view.name;
  }
}

TEST_P(Gradients, AddUpOverPasses) {
  trainable_.ZeroGradients();
  Loss(1);
  trainable_.FinishGradients();
  const at::Tensor once = trainable_.gradients.clone();
  trainable_.ZeroGradients();
  Loss(0.5);
  Loss(0.5);
  trainable_.FinishGradients();
  EXPECT_LT((trainable_.gradients - once).norm().item<double>(), 1e-5 * once.norm().item<double>());
}

INSTANTIATE_TEST_SUITE_P(
    Methods, Gradients,
    testing::Values(
        Case{"full", "llama_tiny", Full}, Case{"full_recomputed", "llama_tiny", Full, true},
        Case{"full_untied", "llama3_tiny", Full}, Case{"full_bias", "qwen2_tiny", Full},
        Case{"full_head_norms", "qwen3_tiny", Full}, Case{"full_gemma2", "gemma2_tiny", Full},
        Case{"full_gemma3", "gemma3_tiny", Full}, Case{"full_phi3", "phi3_tiny", Full},
        Case{"prefix_gemma2", "gemma2_tiny", Prefix},
        Case{"houlsby_gemma3", "gemma3_tiny", Bottlenecks<'h'>},
        Case{"pfeiffer_gemma2", "gemma2_tiny", Bottlenecks<'p'>}, Case{"lora", "llama_tiny", Lora},
        Case{"prefix", "llama_tiny", Prefix}, Case{"prefix_recomputed", "llama_tiny", Prefix, true},
        Case{"projection", "llama_tiny", Projection},
        Case{"pfeiffer", "llama_tiny", Bottlenecks<'p'>},
        Case{"houlsby", "qwen2_tiny", Bottlenecks<'h'>},
        Case{"parallel", "llama_tiny", Bottlenecks<'x'>}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace lathe::trainer::adapters
