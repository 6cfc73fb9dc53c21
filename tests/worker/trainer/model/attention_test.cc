// Attention against the plain formula in fp64, for short sequences and for such as are worked on in
// blocks; gradients against finite differences of that formula.

#include "worker/trainer/model/attention.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/einsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <gtest/gtest.h>

#include <limits>

namespace lathe::trainer::model {
namespace {

struct AttentionCase {
  const char* name;
  std::int64_t length;
  std::int64_t window;
  double cap;
};

constexpr AttentionCase kCases[] = {
    {"Short", 20, 0, 0},        {"ShortWindow", 20, 6, 0},
    {"ShortCap", 20, 0, 0.8},   {"WindowOfOne", 9, 1, 0},
    {"Blocks", 1100, 0, 0},     {"BlocksNarrowWindow", 1100, 40, 0},
    {"BlocksCap", 600, 0, 0.8}, {"BlocksWideWindow", 1100, 700, 0.8},
};

/// out [T, heads * head_dim] of qkv in fp64 by the definition.
at::Tensor Plain(const AttentionShape& s, const at::Tensor& qkv) {
  const std::int64_t group = s.heads / s.kv_heads;
  const std::int64_t length = qkv.size(0);
  const at::Tensor q = qkv.narrow(1, 0, s.heads * s.head_dim).unflatten(1, {s.heads, s.head_dim});
  const auto kv = [&](std::int64_t begin) {
    return qkv.narrow(1, begin * s.head_dim, s.kv_heads * s.head_dim)
        .unflatten(1, {s.kv_heads, s.head_dim})
        .repeat_interleave(group, 1);
  };
  const at::Tensor keys = kv(s.heads);
  const at::Tensor values = kv(s.heads + s.kv_heads);
  at::Tensor scores = at::einsum("qhd,khd->hqk", {q, keys}) * s.scaling.scale;
  if (s.scaling.cap > 0) scores = (scores / s.scaling.cap).tanh() * s.scaling.cap;
  const at::Tensor query = at::arange(length, at::kLong).unsqueeze(1);
  const at::Tensor key = at::arange(length, at::kLong).unsqueeze(0);
  at::Tensor hidden = key.gt(query);
  if (s.window > 0) hidden = hidden.logical_or(key.le(query - s.window));
  const at::Tensor masked =
      scores.masked_fill(hidden.unsqueeze(0), -std::numeric_limits<double>::infinity());
  return at::einsum("hqk,khd->qhd", {at::softmax(masked, -1), values}).flatten(1, 2);
}

class AttentionTest : public testing::TestWithParam<AttentionCase> {
 protected:
  AttentionTest() {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(9);
    qkv_ = at::randn({GetParam().length, 6 * shape_.head_dim}, at::kFloat);
  }

  const AttentionShape shape_{.heads = 4,
                              .kv_heads = 1,
                              .head_dim = 6,
                              .window = GetParam().window,
                              .scaling = {.scale = 0.7, .cap = GetParam().cap}};
  at::Tensor qkv_;
};

INSTANTIATE_TEST_SUITE_P(Cases, AttentionTest, testing::ValuesIn(kCases),
                         [](const auto& instance) { return std::string(instance.param.name); });

TEST_P(AttentionTest, IsThePlainFormula) {
  at::Tensor out = at::empty({qkv_.size(0), 24}, at::kFloat);
  AttentionForward(shape_, {qkv_}, out);
  const at::Tensor want = Plain(shape_, qkv_.to(at::kDouble));
  EXPECT_LT((out - want).abs().max().item<double>(), 5e-6);
}

TEST_P(AttentionTest, ItsGradientIsThatOfThePlainFormula) {
  at::Tensor out = at::empty({qkv_.size(0), 24}, at::kFloat);
  const at::Tensor probabilities = AttentionForward(shape_, {qkv_}, out);
  const at::Tensor dout = at::randn(out.sizes(), at::kFloat);
  at::Tensor dqkv = at::empty_like(qkv_);
  AttentionBackward(shape_, {qkv_}, probabilities, dout, dqkv);
  for (int direction = 0; direction < 3; ++direction) {
    constexpr double kStep = 1e-5;
    const at::Tensor step = at::randn(qkv_.sizes(), at::kDouble) * kStep;
    const at::Tensor wide = qkv_.to(at::kDouble);
    const at::Tensor change = Plain(shape_, wide + step) - Plain(shape_, wide - step);
    const double want = (change * dout).sum().item<double>() / (2 * kStep);
    const double got = (dqkv.to(at::kDouble) * step).sum().item<double>() / kStep;
    EXPECT_NEAR(got, want, 5e-5 * std::max(10.0, std::abs(want)));
  }
}

TEST_P(AttentionTest, ContinuingACacheGivesTheLastRows) {
  at::Tensor out = at::empty({qkv_.size(0), 24}, at::kFloat);
  AttentionForward(shape_, {qkv_}, out);
  const auto cached = [&](std::int64_t begin) {
    return qkv_.narrow(1, begin, 6).unflatten(1, {1, 6}).transpose(0, 1).contiguous();
  };
  for (const std::int64_t rows : {1, 3}) {
    const at::Tensor queries = qkv_.narrow(0, qkv_.size(0) - rows, rows).narrow(1, 0, 24);
    const at::Tensor got = AttentionOverCache(shape_, queries.contiguous(), cached(24), cached(30));
    const at::Tensor want = out.narrow(0, qkv_.size(0) - rows, rows);
    EXPECT_LT((got - want).abs().max().item<float>(), 2e-6F);
  }
}

}  // namespace
}  // namespace lathe::trainer::model
