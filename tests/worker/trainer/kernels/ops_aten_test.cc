// The chains of ATen operations, which other devices run, against the CPU's kernels.

#include "worker/trainer/kernels/ops_aten.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "worker/trainer/kernels/cross_entropy.h"

namespace lathe::trainer::kernels {
namespace {

constexpr std::int64_t kAtenRows = 7;
constexpr std::int64_t kWidth = 48;

class AtenOpsTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  AtenOpsTest() {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(3);
  }

  static at::Tensor Random(std::vector<std::int64_t> shape, double scale = 1) {
    return (at::randn(shape, at::kFloat) * scale).to(GetParam());
  }
  static void ExpectSame(const at::Tensor& a, const at::Tensor& b) {
    ASSERT_EQ(a.sizes(), b.sizes());
    ASSERT_EQ(a.scalar_type(), b.scalar_type());
    const at::Tensor wide = a.to(at::kFloat);
    const at::Tensor distance = (wide - b.to(at::kFloat)).abs() / wide.abs().clamp_min(1.0);
    EXPECT_LT(distance.max().item<float>(), GetParam() == at::kFloat ? 5e-6F : 2e-2F);
  }
  static Norm MakeNorm(std::int64_t size) { return {Random({size}), 1e-5, 1.0}; }
};

INSTANTIATE_TEST_SUITE_P(Types, AtenOpsTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) {
                           return type.param == at::kFloat ? "fp32" : "bf16";
                         });

TEST_P(AtenOpsTest, Norms) {
  const at::Tensor x = Random({kAtenRows, kWidth});
  const at::Tensor dy = Random({kAtenRows, kWidth});
  const Norm norm = MakeNorm(kWidth);
  const RmsNormResult ours = RmsNorm(x, norm);
  const RmsNormResult chain = aten::RmsNorm(x, norm);
  ExpectSame(ours.y, chain.y);
  at::Tensor dx = Random({kAtenRows, kWidth});
  at::Tensor chain_dx = dx.clone();
  AddRmsNormBackward(dy, x, norm, ours.rstd, dx);
  aten::AddRmsNormBackward(dy, x, norm, chain.rstd, chain_dx);
  ExpectSame(dx, chain_dx);
}

TEST_P(AtenOpsTest, HeadsAndTheirAngles) {
  const HeadSpan span{.begin = 8, .count = 3, .head_dim = 12};
  const at::Tensor before = Random({kAtenRows, kWidth});
  at::Tensor x = before.clone();
  at::Tensor chain = before.clone();
  const Norm norm = MakeNorm(12);
  const at::Tensor rstd = NormHeads(x, span, norm);
  aten::NormHeads(chain, span, norm);
  ExpectSame(x, chain);
  at::Tensor d = Random({kAtenRows, kWidth});
  at::Tensor chain_d = d.clone();
  NormHeadsBackward(d, before, span, norm, rstd);
  aten::NormHeadsBackward(chain_d, before, span, norm, rstd);
  ExpectSame(d, chain_d);
  const at::Tensor angles = at::randn({kAtenRows, 4}, at::kFloat);
  for (const Rotation rotation : {Rotation::kForward, Rotation::kInverse}) {
    ApplyRope(x, span, angles.cos(), angles.sin(), rotation);
    aten::ApplyRope(chain, span, angles.cos(), angles.sin(), rotation);
    ExpectSame(x, chain);
  }
}

TEST_P(AtenOpsTest, GatedActivations) {
  const at::Tensor gate_up = Random({kAtenRows, kWidth}, 2);
  const at::Tensor dout = Random({kAtenRows, kWidth / 2});
  for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
    ExpectSame(Gated(activation, gate_up), aten::Gated(activation, gate_up));
    ExpectSame(GatedBackward(activation, dout, gate_up),
               aten::GatedBackward(activation, dout, gate_up));
    at::Tensor out;
    ExpectSame(GatedBackward(activation, dout, gate_up, &out),
               aten::GatedBackward(activation, dout, gate_up));
    ExpectSame(out, aten::Gated(activation, gate_up));
  }
}

TEST_P(AtenOpsTest, Softmax) {
  for (const double cap : {0.0, 1.5}) {
    const CausalRows rows{.queries = 5, .first = 9, .first_key = 4, .window = 6};
    const ScoreScaling scaling{.scale = 0.4, .cap = cap};
    const at::Tensor scores = Random({2, 10, 10}, 3);
    at::Tensor p = scores.clone();
    at::Tensor chain = scores.clone();
    CausalSoftmax(p, rows, scaling);
    aten::CausalSoftmax(chain, rows, scaling);
    ExpectSame(p, chain);
    at::Tensor dp = Random({2, 10, 10});
    at::Tensor chain_dp = dp.clone();
    SoftmaxBackward(p, dp, 0.4);
    aten::SoftmaxBackward(p, chain_dp, 0.4);
    ExpectSame(dp, chain_dp);
    if (cap == 0) continue;
    SoftCapBackward(scores, dp, scaling);
    aten::SoftCapBackward(scores, chain_dp, scaling);
    ExpectSame(dp, chain_dp);
  }
}

TEST_P(AtenOpsTest, CrossEntropies) {
  const at::Tensor targets = at::arange(kAtenRows, at::kLong) * 5;
  for (const double cap : {0.0, 2.0}) {
    at::Tensor logits = Random({kAtenRows, kWidth}, 3);
    at::Tensor chain = logits.clone();
    const at::Tensor scales = at::full({kAtenRows}, 0.5, at::kFloat);
    ExpectSame(CrossEntropyRows(logits, targets, scales, cap).losses,
               aten::CrossEntropyRows(chain, targets, scales, cap).losses);
    ExpectSame(logits, chain);
  }
}

}  // namespace
}  // namespace lathe::trainer::kernels
