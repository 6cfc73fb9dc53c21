// DoRA's norms and gradients against their definitions, with dropout, on a fused layer of which one
// part is adapted and another is not.

#include "worker/trainer/adapters/dora.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/adapters/tiny_adapter.h"

namespace lathe::trainer::adapters {
namespace {

constexpr std::int64_t kTokens = 5;

class DoraTest : public testing::Test {
 protected:
  DoraTest() {
    adapter_.parameters().add_(at::randn(adapter_.parameters().sizes()), 0.1);
    adapter_.Refresh();
    adapter_.gradients().zero_();
    tape_.dropout_mask = at::randn({kTokens, 64}).gt(-0.5).to(at::kFloat).mul_(1.5);
  }

  const model::FusedLinear& linear() const { return decoder_.layers[0].qkv; }
  const model::LowRankGroup& group() const {
    return *adapter_.low_rank().Find(model::GroupIndex(0, model::Site::kQkv));
  }
  /// sum(weights * y), as the definition has it, in fp64 and with the norms given.
  double Loss(const at::Tensor& x, const at::Tensor& norm) const {
    const LoraModule& module = adapter_.modules()[0];
    const at::Tensor weight = linear().weight.to(at::kDouble);
    const at::Tensor input = x.to(at::kDouble);
    const at::Tensor dropped = input * tape_.dropout_mask;
    at::Tensor y = at::mm(input, weight.t());
    const std::int64_t size = module.b.size(0);
    const at::Tensor base = at::mm(dropped, weight.narrow(0, 0, size).t());
    const at::Tensor low =
        at::mm(at::mm(dropped, module.a.to(at::kDouble).t()), module.b.to(at::kDouble).t());
    const at::Tensor factor = module.magnitude.to(at::kDouble) / norm.to(at::kDouble);
    y.narrow(1, 0, size).add_((factor - 1) * base + factor * module.scale * low);
    return (y * weights_).sum().item<double>();
  }
  at::Tensor Norm() const {
    const LoraModule& module = adapter_.modules()[0];
    const at::Tensor sum = linear().weight.narrow(0, 0, module.b.size(0)) +
                           at::mm(module.b, module.a).mul_(module.scale);
    return at::linalg_vector_norm(sum.to(at::kDouble), 2, {1});
  }
  /// The slope of the loss along one element; the norms stay as they are.
  double Slope(at::Tensor values, std::int64_t index) const {
    constexpr double kStep = 1e-2;
    const at::Tensor norm = Norm();
    at::Tensor flat = values.view({-1});
    const float before = flat[index].item<float>();
    flat[index].fill_(before + kStep);
    const double above = Loss(x_, norm);
    flat[index].fill_(before - kStep);
    const double below = Loss(x_, norm);
    flat[index].fill_(before);
    return (above - below) / (2 * kStep);
  }

  const model::Decoder decoder_ = TinyDecoder();
  LoraAdapter adapter_ =
      DrawnAdapter(decoder_, {.rank = 4, .dora = true, .modules = {"layers.0.self_attn.q_proj"}});
  const at::Tensor x_ = at::randn({kTokens, 64});
  const at::Tensor weights_ = at::randn({kTokens, decoder_.layers[0].qkv.weight.size(0)});
  model::LinearTape tape_;
};

TEST_F(DoraTest, NormsAreThoseOfTheSum) {
  const LoraModule& module = adapter_.modules()[0];
  const DoraNorms norms(decoder_, {{model::GroupIndex(0, model::Site::kQkv), 0}});
  int measured = 0;
  norms.Measure(
      [&](std::size_t) {
        return DoraNorms::Addition{module.a, module.b, module.scale};
      },
      [&](std::size_t index, const at::Tensor& got) {
        ++measured;
        EXPECT_EQ(index, 0U);
        EXPECT_LT((got - Norm()).abs().max().item<double>(), 1e-5);
      });
  EXPECT_EQ(measured, 1);
}

TEST_F(DoraTest, ForwardIsTheDefinition) {
  const at::Tensor y = model::Forward(linear(), &group(), x_, &tape_);
  EXPECT_NEAR((y * weights_).sum().item<double>(), Loss(x_, Norm()), 1e-3);
}

TEST_F(DoraTest, GradientsAreTheSlopes) {
  model::Forward(linear(), &group(), x_, &tape_);
  const at::Tensor dx = model::Backward(linear(), &group(), {weights_, x_, tape_});
  const model::LowRankPart& part = group().parts[0];
  const LoraModule& module = adapter_.modules()[0];
  for (const std::int64_t index : {0, 17, 63}) {
    EXPECT_NEAR(group().a_gradient.view({-1})[index].item<double>(), Slope(module.a, index), 1e-3);
    EXPECT_NEAR(part.b_gradient.view({-1})[index].item<double>(), Slope(module.b, index), 1e-3);
    EXPECT_NEAR(part.magnitude_gradient[index].item<double>(), Slope(module.magnitude, index),
                1e-3);
    EXPECT_NEAR(dx.view({-1})[index].item<double>(), Slope(x_, index), 1e-3);
  }
}

TEST_F(DoraTest, AFreshAdapterChangesNothing) {
  LoraAdapter fresh =
      LoraAdapter::Create(decoder_, {.rank = 4, .dora = true}, Purpose::kTraining).value();
  fresh.Initialize(3);
  const auto* qkv = fresh.low_rank().Find(model::GroupIndex(0, model::Site::kQkv));
  const at::Tensor with = model::Forward(linear(), qkv, x_, nullptr);
  const at::Tensor without = model::Forward(linear(), nullptr, x_, nullptr);
  EXPECT_LT((with - without).abs().max().item<double>(), 1e-5);
}

}  // namespace
}  // namespace lathe::trainer::adapters
