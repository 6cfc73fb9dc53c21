// Compositions against their definitions: a model into which the weighted sum of all updates has
// been merged, one bottleneck module that does what several do, a prefix that was cut in two.

#include "worker/trainer/adapters/composition.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/worker/trainer/adapters/tiny_adapter.h"
#include "worker/trainer/adapters/bottleneck.h"
#include "worker/trainer/adapters/peft.h"
#include "worker/trainer/adapters/prefix.h"
#include "worker/trainer/inference/cached_forward.h"
#include "worker/trainer/kernels/ops.h"

namespace lathe::trainer::adapters {
namespace {

using testing::HasSubstr;

float Distance(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().max().item<float>();
}

at::Tensor Scores(const model::Decoder& decoder, const model::Additions& additions,
                  const at::Tensor& tokens) {
  const std::int64_t length = tokens.size(0);
  const model::MicroBatch batch{
      .tokens = tokens, .positions = at::arange(length, at::kLong), .lengths = {length}};
  const model::PassOptions options;
  return model::Logits(decoder, additions,
                       model::ForwardLayers({decoder, additions, batch, options}, nullptr));
}

model::Decoder Load(const std::string& name, at::ScalarType type = at::kFloat) {
  return model::LoadDecoder(parity::Golden("models/" + name), {.dtype = type, .max_positions = 32})
      .value();
}

/// An adapter whose every value is drawn, magnitudes and biases too.
SavedAdapter Drawn(const model::Decoder& decoder, const LoraSettings& settings) {
  LoraAdapter adapter = DrawnAdapter(decoder, settings);
  for (const LoraModule& module : adapter.modules()) {
    at::Tensor b = module.b;
    b.mul_(0.1);
    if (at::Tensor magnitude = module.magnitude; magnitude.defined()) magnitude.mul_(1.2);
  }
  for (const LoraBias& bias : adapter.biases()) {
    at::Tensor values = bias.values;
    values.add_(0.3);
  }
  adapter.Refresh();
  return {SavedKind::kLora, ToTrainable(adapter).additions, adapter};
}

/// The adapter on another decoder of the same shape.
SavedAdapter Copied(const SavedAdapter& from, const model::Decoder& decoder) {
  LoraAdapter copy =
      LoraAdapter::Create(decoder, from.lora->settings(), Purpose::kInference).value();
  copy.parameters().copy_(from.lora->parameters());
  copy.Refresh();
  return {SavedKind::kLora, ToTrainable(copy).additions, copy};
}

/// What the adapter makes of a weight [out, in], in fp64: W + scale B A, with DoRA scaled by rows.
at::Tensor Merged(const LoraModule& module, const at::Tensor& weight) {
  const at::Tensor sum =
      weight + at::mm(module.b.to(at::kDouble), module.a.to(at::kDouble)) * module.scale;
  if (!module.magnitude.defined()) return sum;
  const at::Tensor norm = at::linalg_vector_norm(sum, 2, {1});
  return sum * (module.magnitude.to(at::kDouble) / norm).unsqueeze(1);
}

at::Tensor& WeightAt(model::Decoder& decoder, std::size_t group) {
  return const_cast<model::FusedLinear&>(model::LinearAt(decoder, group)).weight;
}
at::Tensor& BiasAt(model::Decoder& decoder, std::size_t group) {
  return const_cast<model::FusedLinear&>(model::LinearAt(decoder, group)).bias;
}

/// Merges the adapters into `decoder`, which is `base` at first: each one's weighted update of the
/// base or, in sequence, of what those before it have made.
void Merge(const model::Decoder& base, CompositionMethod method,
           std::span<const ComposedAdapter> adapters, model::Decoder& decoder) {
  const model::Decoder& found = method == CompositionMethod::kSequential ? decoder : base;
  for (const ComposedAdapter& composed : adapters) {
    for (const LoraModule& module : composed.adapter.lora->modules()) {
      const double weight = WeightOfGroup(composed.weights, module.group, base);
      const std::int64_t size = module.b.size(0);
      const at::Tensor before =
          model::LinearAt(found, module.group).weight.narrow(0, module.begin, size).to(at::kDouble);
      WeightAt(decoder, module.group)
          .narrow(0, module.begin, size)
          .add_((Merged(module, before) - before) * weight);
    }
    for (const LoraBias& bias : composed.adapter.lora->biases()) {
      const double weight = WeightOfGroup(composed.weights, bias.group, base);
      const std::int64_t size = bias.values.size(0);
      const at::Tensor before =
          model::LinearAt(found, bias.group).bias.narrow(0, bias.begin, size).clone();
      BiasAt(decoder, bias.group).narrow(0, bias.begin, size).add_(bias.values - before, weight);
    }
  }
}

class CompositionTest : public testing::TestWithParam<const char*> {
 protected:
  at::Tensor Of(std::span<const ComposedAdapter> adapters,
                CompositionMethod method = CompositionMethod::kAdditive) const {
    EXPECT_TRUE(CheckComposition(decoder_, adapters));
    return Scores(decoder_, Compose(decoder_, method, adapters), tokens_);
  }
  /// Of the model into which the adapters were merged.
  at::Tensor OfMerged(std::span<const ComposedAdapter> adapters, CompositionMethod method) const {
    model::Decoder merged = Load(GetParam());
    merged.head.weight = merged.head.weight.clone();  // It may be the embedding.
    Merge(decoder_, method, adapters, merged);
    return Scores(merged, {}, tokens_);
  }
  at::Tensor Of(const model::Additions& additions) const {
    return Scores(decoder_, additions, tokens_);
  }
  std::vector<Finding> Refused(std::span<const ComposedAdapter> adapters) const {
    const Status checked = CheckComposition(decoder_, adapters);
    return checked ? std::vector<Finding>() : checked.error().findings;
  }

  const model::Decoder decoder_ = Load(GetParam());
  const at::Tensor tokens_ = at::arange(20, at::kLong) * 17 % 120;
  const SavedAdapter plain_ = Drawn(decoder_, {.rank = 4, .bias = BiasTraining::kAll});
  const SavedAdapter dora_ =
      Drawn(decoder_, {.rank = 2,
                       .alpha = 3,
                       .dora = true,
                       .modules = {"q_proj", "v_proj", "down_proj", "lm_head"}});
  const SavedAdapter again_ =
      Drawn(decoder_, {.rank = 3, .dora = true, .modules = {"q_proj", "up_proj", "down_proj"}});
  const SavedAdapter other_ =
      Drawn(decoder_,
            {.rank = 3, .alpha = 5, .rslora = true, .modules = {"q_proj", "o_proj", "lm_head"}});
};

TEST_P(CompositionTest, IsTheModelIntoWhichTheSumWasMerged) {
  const ComposedAdapter adapters[] = {
      {"plain", plain_, {{0.5}, 0.5}}, {"dora", dora_, {{-1.3}, 0.4}}, {"other", other_, {{1}, 1}}};
  const at::Tensor want = OfMerged(adapters, CompositionMethod::kAdditive);
  EXPECT_LT(Distance(Of(adapters), want), 2e-4F);
  EXPECT_GT(Distance(Of(model::Additions()), want), 1) << "the adapters change nothing";
}

TEST_P(CompositionTest, WeightsOfLayersAreTheirOwn) {
  std::vector<double> rising;
  for (std::size_t layer = 0; layer < decoder_.layers.size(); ++layer) {
    rising.push_back(0.3 * static_cast<double>(layer));
  }
  const ComposedAdapter adapters[] = {{"plain", plain_, {rising, 0}}, {"dora", dora_, {rising, 2}}};
  const auto gated = CompositionMethod::kGated;
  EXPECT_LT(Distance(Of(adapters, gated), OfMerged(adapters, gated)), 2e-4F);
}

TEST_P(CompositionTest, InSequenceEachIsMergedIntoWhatThoseBeforeItMade) {
  const auto sequential = CompositionMethod::kSequential;
  const ComposedAdapter adapters[] = {{"plain", plain_, {}},
                                      {"dora", dora_, {}},
                                      {"other", other_, {{0.5}, 0.5}},
                                      {"again", again_, {{0.7}, 1.2}}};
  const at::Tensor want = OfMerged(adapters, sequential);
  EXPECT_LT(Distance(Of(adapters, sequential), want), 2e-4F);
  const ComposedAdapter turned[] = {adapters[3], adapters[2], adapters[1], adapters[0]};
  EXPECT_LT(Distance(Of(turned, sequential), OfMerged(turned, sequential)), 2e-4F);
  EXPECT_GT(Distance(Of(turned, sequential), want), 0.01F);
  EXPECT_GT(Distance(Of(adapters), want), 0.01F);
}

TEST_P(CompositionTest, Bf16IsNearlyTheSame) {
  const ComposedAdapter adapters[] = {{"plain", plain_, {{0.5}, 0.5}}, {"dora", dora_, {{1}, 1}}};
  const model::Decoder half = Load(GetParam(), at::kBFloat16);
  const SavedAdapter plain = Copied(plain_, half);
  const SavedAdapter dora = Copied(dora_, half);
  const ComposedAdapter copies[] = {{"plain", plain, {{0.5}, 0.5}}, {"dora", dora, {{1}, 1}}};
  const auto additions = Compose(half, CompositionMethod::kAdditive, copies);
  EXPECT_EQ(additions.low_rank.Find(0)->a.scalar_type(), at::kBFloat16);
  const at::Tensor want = Of(adapters);
  const float change = Distance(Of(model::Additions()), want);
  EXPECT_LT(Distance(Scores(half, additions, tokens_), want), 0.1F * change);
}

TEST_P(CompositionTest, OneAloneIsItselfToTheBitAndWeightZeroIsNothing) {
  for (const SavedAdapter* adapter : {&plain_, &dora_}) {
    const ComposedAdapter one[] = {{"one", *adapter, {}}};
    EXPECT_TRUE(at::equal(Of(one), Of(adapter->additions)));
    const ComposedAdapter off[] = {{"off", *adapter, {{0}, 0}}};
    EXPECT_TRUE(at::equal(Of(off), Of(model::Additions())));
    const ComposedAdapter beside[] = {{"one", *adapter, {}}, {"off", other_, {{0}, 0}}};
    EXPECT_TRUE(at::equal(Of(beside), Of(adapter->additions)));
  }
}

TEST_P(CompositionTest, ContinuingWithACacheGivesTheSame) {
  const ComposedAdapter adapters[] = {{"plain", plain_, {{0.5}, 0.5}}, {"dora", dora_, {}}};
  const auto additions = Compose(decoder_, CompositionMethod::kSequential, adapters);
  auto cache = inference::MakeCache(decoder_, additions, 32);
  at::Tensor logits = inference::Append(decoder_, additions, tokens_.narrow(0, 0, 9), cache);
  for (std::int64_t t = 9; t < 20; ++t) {
    logits = inference::Append(decoder_, additions, tokens_.narrow(0, t, 1), cache);
    const at::Tensor whole = Scores(decoder_, additions, tokens_.narrow(0, 0, t + 1))[t];
    EXPECT_LT(Distance(logits, whole), 1e-4F) << "token " << t;
  }
}

TEST_P(CompositionTest, WhatCannotBeIsSaidOfEveryAdapter) {
  SavedAdapter prefix{SavedKind::kPrefix, {}, {}};
  SavedAdapter model{SavedKind::kModel, {}, {}};
  const std::vector<double> three = {1, 2, 3, 4, 5, 6, 7};
  const ComposedAdapter adapters[] = {
      {"first", prefix, {{0.5}, 0.5}}, {"second", model, {}}, {"third", plain_, {three, 1}}};
  const auto findings = Refused(adapters);
  ASSERT_EQ(findings.size(), 3U);
  EXPECT_THAT(findings[0].message, HasSubstr("first is a prefix"));
  EXPECT_THAT(findings[1].message, HasSubstr("second is a whole model"));
  EXPECT_THAT(findings[2].message, HasSubstr("third has 7 weights"));
}

INSTANTIATE_TEST_SUITE_P(Models, CompositionTest,
                         testing::Values("llama_tiny", "qwen2_tiny", "gemma3_tiny"),
                         [](const auto& instance) { return std::string(instance.param); });

class ComposedMethodsTest : public testing::Test {
 protected:
  SavedAdapter Bottleneck(const BottleneckSettings& settings, std::uint64_t seed) {
    Trainable trainable = StartBottleneck(decoder_, settings, seed);
    trainable.parameters.normal_(0, 0.2);
    trainable.Refresh();
    return {SavedKind::kBottleneck, trainable.additions, {}};
  }
  at::Tensor Of(const model::Additions& additions) const {
    return Scores(decoder_, additions, tokens_);
  }
  at::Tensor Of(std::span<const ComposedAdapter> adapters,
                CompositionMethod method = CompositionMethod::kAdditive) const {
    EXPECT_TRUE(CheckComposition(decoder_, adapters));
    return Of(Compose(decoder_, method, adapters));
  }
  /// The keys of the prefix, moved by so many positions in the rotation that a Llama has.
  model::PrefixSet Moved(const model::PrefixSet& prefix, std::int64_t positions) const {
    const at::Tensor at = at::arange(prefix.length(), at::kLong) * 0 + std::abs(positions);
    const model::RopeTable angles = decoder_.ropes[0].Rows(at, {prefix.length()});
    model::PrefixSet moved;
    for (const model::PrefixLayer& layer : prefix.layers) {
      at::Tensor keys = layer.keys.transpose(0, 1).flatten(1).contiguous();
      kernels::ApplyRope(keys, {0, layer.keys.size(0), layer.keys.size(2)}, angles.cosine,
                         angles.sine,
                         positions < 0 ? kernels::Rotation::kInverse : kernels::Rotation::kForward);
      moved.layers.push_back(
          {keys.view({-1, layer.keys.size(0), layer.keys.size(2)}).transpose(0, 1), layer.values});
    }
    return moved;
  }

  const model::Decoder decoder_ = TinyDecoder();
  const at::Tensor tokens_ = at::arange(20, at::kLong) * 17 % 500;
};

TEST_F(ComposedMethodsTest, BottlenecksOfOneKindAreOneWithAllTheirSizes) {
  const SavedAdapter first = Bottleneck(BottleneckVariant("houlsby", 24), 1);
  const SavedAdapter second = Bottleneck(BottleneckVariant("houlsby", 16), 2);
  const ComposedAdapter adapters[] = {{"first", first, {{0.7}, 0.7}}, {"second", second, {}}};
  model::Additions together;
  model::BottleneckSet set = first.additions.bottlenecks[0];
  const model::BottleneckSet& more = second.additions.bottlenecks[0];
  const auto join = [](model::Bottleneck& a, const model::Bottleneck& b) {
    a.down = at::cat({a.down, b.down});
    a.down_bias = at::cat({a.down_bias, b.down_bias});
    a.up = at::cat({a.up * 0.7, b.up}, 1);
    a.up_bias = a.up_bias * 0.7 + b.up_bias;
  };
  for (std::size_t layer = 0; layer < set.mlp.size(); ++layer) {
    join(set.mlp[layer], more.mlp[layer]);
    join(set.attention[layer], more.attention[layer]);
  }
  together.bottlenecks = {set};
  EXPECT_LT(Distance(Of(adapters), Of(together)), 1e-4F);
  EXPECT_GT(Distance(Of(adapters), Of(first.additions)), 0.1F);
}

TEST_F(ComposedMethodsTest, APrefixThatWasCutInTwoIsWholeAgain) {
  const std::int64_t width = PrefixWidth(decoder_);
  const at::Tensor rows = at::randn({6, width});
  const model::PrefixSet whole = StartPrefix(decoder_, {.length = 6}, rows, 1).additions.prefix;
  SavedAdapter even{SavedKind::kPrefix, {}, {}};
  SavedAdapter odd{SavedKind::kPrefix, {}, {}};
  for (auto [half, first] : {std::pair(&even, 0), std::pair(&odd, 1)}) {
    for (const model::PrefixLayer& layer : whole.layers) {
      half->additions.prefix.layers.push_back({layer.keys.slice(1, first, 6, 2).contiguous(),
                                               layer.values.slice(1, first, 6, 2).contiguous()});
    }
    // Alone it would stand three positions nearer to the beginning.
    half->additions.prefix = Moved(half->additions.prefix, -3);
  }
  model::Additions wanted;
  wanted.prefix = whole;
  const ComposedAdapter halves[] = {{"even", even, {}}, {"odd", odd, {}}};
  EXPECT_LT(Distance(Of(halves), Of(wanted)), 1e-4F);
  EXPECT_GT(Distance(Of(even.additions), Of(wanted)), 0.01F);
}

TEST_F(ComposedMethodsTest, APrefixGoesOnWhereTheOneBeforeItEnded) {
  const at::Tensor rows = at::randn({6, PrefixWidth(decoder_)});
  model::Additions whole;
  whole.prefix = StartPrefix(decoder_, {.length = 6}, rows, 1).additions.prefix;
  SavedAdapter first{SavedKind::kPrefix, {}, {}};
  SavedAdapter second{SavedKind::kPrefix, {}, {}};
  for (const model::PrefixLayer& layer : whole.prefix.layers) {
    first.additions.prefix.layers.push_back(
        {layer.keys.narrow(1, 0, 2), layer.values.narrow(1, 0, 2)});
    second.additions.prefix.layers.push_back(
        {layer.keys.narrow(1, 2, 4), layer.values.narrow(1, 2, 4)});
  }
  second.additions.prefix = Moved(second.additions.prefix, -2);
  const ComposedAdapter parts[] = {{"first", first, {}}, {"second", second, {}}};
  EXPECT_LT(Distance(Of(parts, CompositionMethod::kSequential), Of(whole)), 1e-4F);
  EXPECT_GT(Distance(Of(parts), Of(whole)), 0.001F) << "it makes no difference where they are";
}

TEST_F(ComposedMethodsTest, InSequenceABottleneckReadsWhatTheOneBeforeItGives) {
  // The first adds nothing but a constant, which the second, alone, has in its own bias.
  SavedAdapter constant = Bottleneck(BottleneckVariant("houlsby", 8), 1);
  const SavedAdapter second = Bottleneck(BottleneckVariant("houlsby", 16), 2);
  const at::Tensor value = at::randn({decoder_.description.hidden});
  model::Additions wanted = second.additions;
  for (const auto modules : {&model::BottleneckSet::attention, &model::BottleneckSet::mlp}) {
    for (model::Bottleneck& module : constant.additions.bottlenecks[0].*modules) {
      module.up = module.up * 0;
      module.up_bias = value;
    }
    for (model::Bottleneck& module : wanted.bottlenecks[0].*modules) {
      module.down_bias = module.down_bias + at::mv(module.down, value);
      module.up_bias = module.up_bias + value;
    }
  }
  const ComposedAdapter adapters[] = {{"constant", constant, {}}, {"second", second, {}}};
  EXPECT_LT(Distance(Of(adapters, CompositionMethod::kSequential), Of(wanted)), 1e-3F);
  EXPECT_GT(Distance(Of(adapters), Of(wanted)), 0.1F);
}

TEST_F(ComposedMethodsTest, MethodsActSideBySide) {
  const SavedAdapter lora = Drawn(decoder_, {.rank = 4});
  const SavedAdapter bottleneck = Bottleneck(BottleneckVariant("parallel", 8), 3);
  SavedAdapter prefix{SavedKind::kPrefix, {}, {}};
  const at::Tensor rows = at::randn({4, PrefixWidth(decoder_)});
  prefix.additions.prefix = StartPrefix(decoder_, {.length = 4}, rows, 1).additions.prefix;
  const ComposedAdapter adapters[] = {
      {"lora", lora, {}}, {"bottleneck", bottleneck, {}}, {"prefix", prefix, {}}};
  const model::Additions wanted{.low_rank = lora.additions.low_rank,
                                .prefix = prefix.additions.prefix,
                                .bottlenecks = bottleneck.additions.bottlenecks,
                                .weights = {}};
  EXPECT_TRUE(at::equal(Of(adapters), Of(wanted)));
}

}  // namespace
}  // namespace lathe::trainer::adapters
