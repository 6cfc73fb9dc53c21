// The GPU's kernels against the CPU's. Tolerances: 1e-5 of the values in fp32, whose sums are in
// another order; one rounding of the result in bf16 and fp16, whose arithmetic is fp32 as well.

#include "worker/trainer/kernels/cuda/ops_cuda.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/kernels/cuda/kernel_device.h"
#include "worker/trainer/kernels/cross_entropy.h"

namespace lathe::trainer::kernels::cuda {
namespace {

double Tolerance(at::ScalarType type) {
  return type == at::kFloat ? 1e-5 : type == at::kHalf ? 2e-3 : 1.6e-2;
}

void ExpectSame(const at::Tensor& there, const at::Tensor& here) {
  ASSERT_EQ(there.sizes(), here.sizes());
  ASSERT_EQ(there.scalar_type(), here.scalar_type());
  const at::Tensor wide = here.to(at::kFloat);
  const at::Tensor distance = (Back(there).to(at::kFloat) - wide).abs() / wide.abs().clamp_min(1.0);
  EXPECT_LT(distance.max().item<float>(), Tolerance(here.scalar_type()));
}

class OpsCudaTest : public KernelTest {
 protected:
  static at::Tensor Random(std::vector<std::int64_t> shape, double scale = 1) {
    return (at::randn(shape, at::kFloat) * scale).to(GetParam());
  }
};
INSTANTIATE_TEST_SUITE_P(Types, OpsCudaTest, kTypes, TypeName);

TEST_P(OpsCudaTest, Norms) {
  for (const std::int64_t width : {8, 50, 96, 2304}) {
    const at::Tensor x = Random({5, width});
    const at::Tensor dy = Random({5, width});
    const Norm norm{Random({width}), 1e-5, 1.0};
    const Norm norm_there{There(norm.weight), 1e-5, 1.0};
    const RmsNormResult here = kernels::RmsNorm(x, norm);
    const RmsNormResult there = cuda::RmsNorm(There(x), norm_there);
    ExpectSame(there.y, here.y);
    ExpectSame(there.rstd, here.rstd);
    at::Tensor dx = Random({5, width});
    at::Tensor dx_there = There(dx);
    kernels::AddRmsNormBackward(dy, x, norm, here.rstd, dx);
    cuda::AddRmsNormBackward(There(dy), There(x), norm_there, there.rstd, dx_there);
    ExpectSame(dx_there, dx);
  }
}

struct HeadCase {
  HeadSpan span;
  std::int64_t width;
};
constexpr HeadCase kHeadCases[] = {
    {{.begin = 0, .count = 3, .head_dim = 64}, 256},   // In pieces of 16 bytes.
    {{.begin = 64, .count = 9, .head_dim = 32}, 384},  // More heads than a block has warps.
    {{.begin = 3, .count = 2, .head_dim = 18}, 41},    // One value at a time.
};

TEST_P(OpsCudaTest, NormsOfHeads) {
  for (const auto& [span, width] : kHeadCases) {
    const at::Tensor before = Random({7, width});
    const Norm norm{Random({span.head_dim}), 1e-6, 0.0};
    const Norm norm_there{There(norm.weight), 1e-6, 0.0};
    at::Tensor x = before.clone();
    at::Tensor x_there = There(before);
    const at::Tensor rstd = kernels::NormHeads(x, span, norm);
    const at::Tensor rstd_there = cuda::NormHeads(x_there, span, norm_there);
    ExpectSame(x_there, x);
    ExpectSame(rstd_there, rstd);
    at::Tensor d = Random({7, width + 8});  // Another stride than that of x.
    at::Tensor d_there = There(d);
    kernels::NormHeadsBackward(d, before, span, norm, rstd);
    cuda::NormHeadsBackward(d_there, There(before), span, norm_there, rstd_there);
    ExpectSame(d_there, d);
  }
}

TEST_P(OpsCudaTest, RotaryPositions) {
  for (const auto& [span, width] : kHeadCases) {
    for (const std::int64_t half : {span.head_dim / 2, std::int64_t{5}}) {
      const at::Tensor angles = at::randn({7, half}, at::kFloat);
      for (const Rotation rotation : {Rotation::kForward, Rotation::kInverse}) {
        at::Tensor x = Random({7, width});
        at::Tensor x_there = There(x);
        kernels::ApplyRope(x, span, angles.cos(), angles.sin(), rotation);
        cuda::ApplyRope(x_there, span, There(angles.cos()), There(angles.sin()), rotation);
        ExpectSame(x_there, x);
      }
    }
  }
}

TEST_P(OpsCudaTest, GatedActivations) {
  for (const std::int64_t width : {7, 48, 520}) {
    const at::Tensor gate_up = Random({6, 2 * width}, 3);
    const at::Tensor dout = Random({6, width});
    for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
      ExpectSame(cuda::Gated(activation, There(gate_up)), kernels::Gated(activation, gate_up));
      const at::Tensor gradient = kernels::GatedBackward(activation, dout, gate_up);
      ExpectSame(cuda::GatedBackward(activation, There(dout), There(gate_up)), gradient);
      at::Tensor out;
      ExpectSame(cuda::GatedBackward(activation, There(dout), There(gate_up), &out), gradient);
      ExpectSame(out, kernels::Gated(activation, gate_up));
    }
  }
}

TEST_P(OpsCudaTest, SoftmaxOfScores) {
  const CausalRows cases[] = {{.queries = 5, .first = 9, .first_key = 4, .window = 6},
                              {.queries = 10, .first = 0, .first_key = 0, .window = 0},
                              {.queries = 2, .first = 8, .first_key = 0, .window = 3}};
  for (const CausalRows& rows : cases) {
    for (const double cap : {0.0, 1.5}) {
      const ScoreScaling scaling{.scale = 0.4, .cap = cap};
      const at::Tensor scores = Random({2, 10, 10}, 3);
      at::Tensor p = scores.clone();
      at::Tensor p_there = There(scores);
      kernels::CausalSoftmax(p, rows, scaling);
      cuda::CausalSoftmax(p_there, rows, scaling);
      ExpectSame(p_there, p);
      at::Tensor dp = Random({2, 10, 10});
      at::Tensor dp_there = There(dp);
      kernels::SoftmaxBackward(p, dp, 0.4);
      cuda::SoftmaxBackward(There(p), dp_there, 0.4);
      ExpectSame(dp_there, dp);
      if (cap == 0) continue;
      kernels::SoftCapBackward(scores, dp, scaling);
      cuda::SoftCapBackward(There(scores), dp_there, scaling);
      ExpectSame(dp_there, dp);
    }
  }
}

TEST_P(OpsCudaTest, CrossEntropyAndItsGradient) {
  for (const std::int64_t vocabulary : {33, 4096, 5000}) {
    const at::Tensor logits = Random({4, vocabulary}, 5);
    const at::Tensor targets = at::randint(vocabulary, {4}, at::kLong);
    const at::Tensor scales = at::arange(4, at::kFloat) * -0.5;  // The first one is 0.
    for (const double cap : {0.0, 5.0}) {
      at::Tensor here = logits.clone();
      at::Tensor there = There(logits);
      const auto expected = kernels::CrossEntropyRows(here, targets, scales, cap);
      const auto rows = cuda::CrossEntropyRows(there, There(targets), There(scales), cap);
      ExpectSame(rows.losses, expected.losses);
      EXPECT_TRUE(at::equal(Back(rows.hits), expected.hits));
      ExpectSame(there, here);
      at::Tensor untouched = There(logits);
      const auto alone = cuda::CrossEntropyRows(untouched, There(targets), {}, cap);
      ExpectSame(alone.losses, expected.losses);
      EXPECT_TRUE(at::equal(Back(untouched), logits));
    }
  }
}

TEST_P(OpsCudaTest, RowsWithoutElementsAreNothing) {
  at::Tensor none = There(Random({0, 32}));
  EXPECT_EQ(cuda::Gated(Activation::kSilu, none).sizes(), (at::IntArrayRef{0, 16}));
  EXPECT_EQ(cuda::RmsNorm(none, {There(Random({32})), 1e-5, 0}).y.numel(), 0);
}

}  // namespace
}  // namespace lathe::trainer::kernels::cuda
