#include "worker/trainer/kernels/attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/worker/trainer/kernels/kernel_set.h"

namespace lathe::trainer::kernels {
namespace {

struct Attention {
  at::Tensor out;
  at::Tensor dqkv;
};

/// Head by head, in fp64 and with all keys.
Attention Reference(const CausalHeads& heads, const std::vector<SequenceRows>& sequences,
                    const at::Tensor& qkv, const at::Tensor& dout) {
  const at::Tensor all = qkv.to(at::kDouble);
  Attention result{dout.to(at::kDouble).zero_(), at::zeros_like(all)};
  const std::int64_t dim = heads.head_dim;
  for (const SequenceRows& s : sequences) {
    const auto columns = [&](const at::Tensor& x, std::int64_t head) {
      return x.narrow(0, s.begin, s.length).narrow(1, head * dim, dim);
    };
    const at::Tensor position = at::arange(s.length);
    const at::Tensor distance = position.unsqueeze(1) - position.unsqueeze(0);
    at::Tensor hidden = distance < 0;
    if (heads.window > 0) hidden = hidden.logical_or(distance >= heads.window);
    for (std::int64_t head = 0; head < heads.heads; ++head) {
      const std::int64_t kv = head / (heads.heads / heads.kv_heads);
      const at::Tensor q = columns(all, head);
      const at::Tensor k = columns(all, heads.heads + kv);
      const at::Tensor v = columns(all, heads.heads + heads.kv_heads + kv);
      const at::Tensor d = columns(dout.to(at::kDouble), head);
      const at::Tensor scores = (at::matmul(q, k.t()) * heads.scaling.scale)
                                    .masked_fill(hidden, -std::numeric_limits<double>::infinity());
      const at::Tensor p = at::softmax(scores, 1);
      const at::Tensor dp = at::matmul(d, v.t());
      const at::Tensor ds = p * (dp - (p * dp).sum(1, true)) * heads.scaling.scale;
      columns(result.out, head).copy_(at::matmul(p, v));
      columns(result.dqkv, head).copy_(at::matmul(ds, k));
      columns(result.dqkv, heads.heads + kv).add_(at::matmul(ds.t(), q));
      columns(result.dqkv, heads.heads + heads.kv_heads + kv).add_(at::matmul(p.t(), d));
    }
  }
  return result;
}

class CausalAttentionTest : public KernelSetTest {
 protected:
  void SetUp() override {
    KernelSetTest::SetUp();
    if (!IsSkipped() && !HasCausalAttention({4, 2, 8, 0, {}}, Random(64, 64))) {
      GTEST_SKIP() << "no kernels for the type";
    }
  }
  static double Tolerance() { return GetParam().type == at::kFloat ? 2e-5 : 6e-2; }

  static Attention Compute(const CausalHeads& heads, const std::vector<SequenceRows>& sequences,
                           const at::Tensor& qkv, const at::Tensor& dout) {
    Attention result{at::empty_like(dout), at::empty_like(qkv)};
    // What is not written shows.
    result.out.fill_(std::numeric_limits<double>::quiet_NaN());
    result.dqkv.fill_(std::numeric_limits<double>::quiet_NaN());
    std::vector<at::Tensor> probabilities(sequences.size());
    CausalAttention(heads, sequences, qkv, result.out, probabilities);
    CausalAttentionBackward(heads, sequences, {qkv, probabilities}, dout, result.dqkv);
    return result;
  }
};

TEST_P(CausalAttentionTest, EqualsTheDefinition) {
  const std::vector<SequenceRows> sequences = {{0, 1}, {1, 14}, {15, 45}, {60, 130}, {190, 17}};
  for (const std::int64_t window : {0, 1, 5, 33, 64}) {
    for (const std::int64_t dim : {8, 40}) {
      const CausalHeads heads{6, 2, dim, window, {0.4, 0}};
      const at::Tensor qkv = Random(207, 10 * dim);
      const at::Tensor dout = Random(207, 6 * dim);
      const Attention want = Reference(heads, sequences, qkv, dout);
      const Attention got = Compute(heads, sequences, qkv, dout);
      const auto difference = [](const at::Tensor& a, const at::Tensor& b) {
        return (a.to(at::kDouble) - b).abs().max().item<double>();
      };
      EXPECT_LT(difference(got.out, want.out), Tolerance()) << window << " " << dim;
      EXPECT_LT(difference(got.dqkv, want.dqkv), 10 * Tolerance()) << window << " " << dim;
    }
  }
}

TEST_P(CausalAttentionTest, ASequenceGetsWhatItGetsAloneWhateverTheThreads) {
  const CausalHeads heads{4, 2, 16, 0, {0.25, 0}};
  const at::Tensor qkv = Random(120, 8 * 16);
  const at::Tensor dout = Random(120, 4 * 16);
  const Attention together = Compute(heads, {{0, 50}, {50, 70}}, qkv, dout);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Attention alone = Compute(heads, {{0, 70}}, qkv.narrow(0, 50, 70), dout.narrow(0, 50, 70));
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(together.out.narrow(0, 50, 70), alone.out));
  EXPECT_TRUE(at::equal(together.dqkv.narrow(0, 50, 70), alone.dqkv));
}

TEST_P(CausalAttentionTest, CappedScoresAreLeftToOthers) {
  EXPECT_FALSE(HasCausalAttention({4, 2, 8, 0, {1, 50}}, Random(64, 64)));
}

INSTANTIATE_TEST_SUITE_P(Sets, CausalAttentionTest, KernelSets(), NameOf);

}  // namespace
}  // namespace lathe::trainer::kernels
