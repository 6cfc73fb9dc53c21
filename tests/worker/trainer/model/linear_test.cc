// Low-rank additions, with DoRA and without, forward and backward, against the formula in fp64: by
// kernels of our own where the processor has them for the type, for few rows and for more, by
// torch's products for fp16; on a GPU by kernels of its own for bf16 and fp16, by torch's for fp32.

#include "worker/trainer/model/linear.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

namespace lathe::trainer::model {
namespace {

#if defined(LATHE_TEST_ON_GPU)
const at::Device kDevice(at::kCUDA, 0);
#else
const at::Device kDevice(at::kCPU);
#endif

at::Tensor There(const at::Tensor& x) {
  return x.to(kDevice);
}

constexpr std::int64_t kIn = 40;
constexpr std::int64_t kOut = 48;

struct LinearCase {
  at::ScalarType type;
  bool covers_all;
  bool bias;
  bool dropout;
  bool dora;
  std::int64_t tokens;
};

class LinearTest : public testing::TestWithParam<LinearCase> {
 protected:
  LinearTest() {
    if (NoDevice()) return;
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(9);
    linear_.weight = Draw({kOut, kIn});
    linear_.parts = {{"one", 0, 32}, {"two", 32, 16}};
    if (GetParam().bias) linear_.bias = Draw({kOut});
    const std::int64_t ranks = GetParam().covers_all ? 5 : 3;
    group_.a = Draw({ranks, kIn});
    group_.a_gradient = There(at::zeros({ranks, kIn}, at::kFloat));
    AddPart({0, 32, 0, 3, 0.5, {}, {}, {}});
    if (GetParam().covers_all) AddPart({32, 16, 3, 2, 2, {}, {}, {}});
    x_ = Draw({GetParam().tokens, kIn});
    dy_ = Draw({GetParam().tokens, kOut});
    if (GetParam().dora) {
      const at::Tensor factor = There(at::ones({kOut}, at::kFloat));
      for (const LowRankPart& part : group_.parts) {
        factor.narrow(0, part.begin, part.size).add_(Draw({part.size}), 0.2);
      }
      group_.scales = RowScales{factor, factor + 0.5};
    }
    if (!GetParam().dropout) return;
    tape_.dropout_mask = ((Draw({GetParam().tokens, kIn}) > 0) * 2.0).to(GetParam().type);
  }
  void SetUp() override {
    if (NoDevice()) GTEST_SKIP() << "this machine has no usable GPU";
  }

  static bool NoDevice() { return kDevice.is_cuda() && !at::globalContext().hasCUDA(); }

  static at::Tensor Draw(std::vector<std::int64_t> shape) {
    return There((at::randn(shape, at::kFloat) * 0.5).to(GetParam().type));
  }
  void AddPart(LowRankPart part) {
    part.b = Draw({part.size, part.rank});
    // It is added to.
    part.b_gradient = There(at::ones({part.size, part.rank}, at::kFloat));
    part.magnitude_gradient = There(at::ones({part.size}, at::kFloat));
    group_.parts.push_back(part);
  }
  static at::Tensor Wide(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble); }
  at::Tensor Input() const {
    return tape_.dropout_mask.defined() ? Wide(x_) * Wide(tape_.dropout_mask) : Wide(x_);
  }
  /// What DoRA multiplies rows by.
  at::Tensor Factor() const {
    return group_.scales ? Wide(group_.scales->factor) : at::ones({kOut}, at::kDouble);
  }
  /// What the low-rank matrices add, and what the factor multiplies besides.
  at::Tensor LowRank() const {
    const at::Tensor z = at::mm(Input(), Wide(group_.a).t());
    at::Tensor y = at::zeros({GetParam().tokens, kOut}, at::kDouble);
    for (const LowRankPart& part : group_.parts) {
      y.narrow(1, part.begin, part.size)
          .addmm_(z.narrow(1, part.offset, part.rank), Wide(part.b).t(), 1, part.scale);
    }
    return y;
  }
  at::Tensor Dropped() const { return at::mm(Input(), Wide(linear_.weight).t()); }
  static void ExpectNear(const at::Tensor& got, const at::Tensor& want) {
    ASSERT_EQ(got.sizes(), want.sizes());
    const double distance = (Wide(got) - want).abs().max().item<double>();
    const double largest = want.abs().max().item<double>();
    const at::ScalarType type = GetParam().type;
    EXPECT_LT(distance, (type == at::kFloat ? 1e-5 : type == at::kHalf ? 4e-3 : 2e-2) * largest);
  }

  FusedLinear linear_;
  LowRankGroup group_;
  LinearTape tape_;
  at::Tensor x_;
  at::Tensor dy_;
};

std::vector<LinearCase> Cases() {
  std::vector<LinearCase> cases;
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const bool covers : {true, false}) {
      for (const bool bias : {true, false}) {
        for (const bool dropout : {true, false}) {
          for (const bool dora : {true, false}) {
            for (const std::int64_t tokens : {19, 45}) {
              cases.push_back({type, covers, bias, dropout, dora, tokens});
            }
          }
        }
      }
    }
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(All, LinearTest, testing::ValuesIn(Cases()));

TEST_P(LinearTest, ForwardIsTheFormula) {
  const at::Tensor y = Forward(linear_, &group_, x_, &tape_);
  at::Tensor want = at::mm(Wide(x_), Wide(linear_.weight).t());
  if (linear_.bias.defined()) want = want + Wide(linear_.bias);
  ExpectNear(y, want + Dropped() * (Factor() - 1) + LowRank() * Factor());
}

TEST_P(LinearTest, BackwardIsItsDerivative) {
  Forward(linear_, &group_, x_, &tape_);
  const at::Tensor dx = Backward(linear_, &group_, {dy_, x_, tape_});
  const at::Tensor factor = Factor();
  at::Tensor beyond = at::mm(Wide(dy_) * (factor - 1), Wide(linear_.weight));
  at::Tensor a_gradient = at::zeros(group_.a.sizes(), at::kDouble);
  const at::Tensor z = at::mm(Input(), Wide(group_.a).t());
  for (const LowRankPart& part : group_.parts) {
    const at::Tensor dy = (Wide(dy_) * factor).narrow(1, part.begin, part.size);
    const at::Tensor a = Wide(group_.a).narrow(0, part.offset, part.rank);
    const at::Tensor dz = at::mm(dy, Wide(part.b)) * part.scale;
    beyond = beyond + at::mm(dz, a);
    a_gradient.narrow(0, part.offset, part.rank).copy_(at::mm(dz.t(), Input()));
    const at::Tensor z_part = z.narrow(1, part.offset, part.rank);
    ExpectNear(part.b_gradient, at::mm(dy.t(), z_part) * part.scale + 1);
    if (!GetParam().dora) continue;
    const at::Tensor sum = (Wide(dy_) * (Dropped() + LowRank())).sum(0) * (factor + 0.5);
    ExpectNear(part.magnitude_gradient, sum.narrow(0, part.begin, part.size) + 1);
  }
  if (tape_.dropout_mask.defined()) beyond = beyond * Wide(tape_.dropout_mask);
  ExpectNear(dx, at::mm(Wide(dy_), Wide(linear_.weight)) + beyond);
  ExpectNear(group_.a_gradient, a_gradient);
}

}  // namespace
}  // namespace lathe::trainer::model
