#include "worker/trainer/kernels/attention.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/zeros.h>
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
  KeyPrefix prefix = {};  ///< its gradients
};

/// Rows of one sequence, and P keys in front.
struct Case {
  const CausalHeads& heads;
  const std::vector<SequenceRows>& sequences;
  const at::Tensor& qkv;
  const at::Tensor& dout;
  const KeyPrefix* prefix = nullptr;
};

/// Keys that no query sees; row i is the query at position before + i.
at::Tensor Hidden(std::int64_t length, std::int64_t before, std::int64_t window) {
  const at::Tensor distance =
      at::arange(length).unsqueeze(1) + before - at::arange(before + length).unsqueeze(0);
  const at::Tensor hidden = distance < 0;
  return window > 0 ? hidden.logical_or(distance >= window) : hidden;
}

/// Head by head, in fp64 and with all keys.
Attention Reference(const Case& of) {
  const CausalHeads& heads = of.heads;
  const at::Tensor all = of.qkv.to(at::kDouble);
  Attention result{at::zeros_like(of.dout.to(at::kDouble)), at::zeros_like(all)};
  const std::int64_t dim = heads.head_dim;
  const std::int64_t before = of.prefix == nullptr ? 0 : of.prefix->keys.size(1);
  const at::Tensor in_front =
      before == 0 ? at::zeros({heads.kv_heads, 0, dim}, at::kDouble) : at::Tensor();
  const at::Tensor front_keys = before == 0 ? in_front : of.prefix->keys.to(at::kDouble);
  const at::Tensor front_values = before == 0 ? in_front : of.prefix->values.to(at::kDouble);
  result.prefix.key_gradient = at::zeros_like(front_keys);
  result.prefix.value_gradient = at::zeros_like(front_values);
  for (const SequenceRows& s : of.sequences) {
    const auto columns = [&](const at::Tensor& x, std::int64_t head) {
      return x.narrow(0, s.begin, s.length).narrow(1, head * dim, dim);
    };
    for (std::int64_t head = 0; head < heads.heads; ++head) {
      const std::int64_t kv = head / (heads.heads / heads.kv_heads);
      const at::Tensor q = columns(all, head);
      const at::Tensor k = at::cat({front_keys[kv], columns(all, heads.heads + kv)});
      const at::Tensor v =
          at::cat({front_values[kv], columns(all, heads.heads + heads.kv_heads + kv)});
      const at::Tensor d = columns(of.dout.to(at::kDouble), head);
      at::Tensor scores = at::matmul(q, k.t()) * heads.scaling.scale;
      at::Tensor slope = at::ones_like(scores) * heads.scaling.scale;
      if (heads.scaling.cap > 0) {
        const at::Tensor tanh = at::tanh(scores / heads.scaling.cap);
        scores = tanh * heads.scaling.cap;
        slope = slope * (1 - tanh * tanh);
      }
      const at::Tensor p = at::softmax(scores.masked_fill(Hidden(s.length, before, heads.window),
                                                          -std::numeric_limits<double>::infinity()),
                                       1);
      const at::Tensor dp = at::matmul(d, v.t());
      const at::Tensor ds = p * (dp - (p * dp).sum(1, true)) * slope;
      columns(result.out, head).copy_(at::matmul(p, v));
      columns(result.dqkv, head).copy_(at::matmul(ds, k));
      const at::Tensor dk = at::matmul(ds.t(), q);
      const at::Tensor dv = at::matmul(p.t(), d);
      columns(result.dqkv, heads.heads + kv).add_(dk.narrow(0, before, s.length));
      columns(result.dqkv, heads.heads + heads.kv_heads + kv).add_(dv.narrow(0, before, s.length));
      result.prefix.key_gradient[kv].add_(dk.narrow(0, 0, before));
      result.prefix.value_gradient[kv].add_(dv.narrow(0, 0, before));
    }
  }
  return result;
}

class CausalAttentionTest : public KernelSetTest {
 protected:
  void SetUp() override {
    KernelSetTest::SetUp();
    if (!IsSkipped() && !HasCausalAttention(Random(64, 64))) {
      GTEST_SKIP() << "this processor has no kernels for the type";
    }
  }
  static double Tolerance() { return GetParam().type == at::kFloat ? 2e-5 : 6e-2; }

  static Attention Compute(const Case& of) {
    Attention result{at::empty_like(of.dout), at::empty_like(of.qkv)};
    // What is not written shows.
    result.out.fill_(std::numeric_limits<double>::quiet_NaN());
    result.dqkv.fill_(std::numeric_limits<double>::quiet_NaN());
    if (of.prefix != nullptr) {
      result.prefix = *of.prefix;
      result.prefix.key_gradient = at::zeros_like(of.prefix->keys, at::kFloat);
      result.prefix.value_gradient = at::zeros_like(of.prefix->keys, at::kFloat);
    }
    const AttentionOperands operands{of.qkv, of.prefix == nullptr ? nullptr : &result.prefix};
    std::vector<at::Tensor> probabilities(of.sequences.size());
    CausalAttention(of.heads, of.sequences, operands, result.out, probabilities);
    CausalAttentionBackward(of.heads, of.sequences, {operands, probabilities}, of.dout,
                            result.dqkv);
    return result;
  }

  static void ExpectEqual(const Attention& got, const Attention& want, const std::string& what) {
    const auto difference = [](const at::Tensor& a, const at::Tensor& b) {
      return (a.to(at::kDouble) - b).abs().max().item<double>();
    };
    EXPECT_LT(difference(got.out, want.out), Tolerance()) << what;
    EXPECT_LT(difference(got.dqkv, want.dqkv), 10 * Tolerance()) << what;
    if (!got.prefix.keys.defined()) return;
    EXPECT_LT(difference(got.prefix.key_gradient, want.prefix.key_gradient), 20 * Tolerance())
        << what;
    EXPECT_LT(difference(got.prefix.value_gradient, want.prefix.value_gradient), 20 * Tolerance())
        << what;
  }
};

TEST_P(CausalAttentionTest, EqualsTheDefinition) {
  const std::vector<SequenceRows> sequences = {{0, 1}, {1, 14}, {15, 45}, {60, 130}, {190, 17}};
  for (const std::int64_t window : {0, 1, 5, 33, 64}) {
    for (const std::int64_t dim : {8, 40}) {
      const CausalHeads heads{6, 2, dim, window, {0.4, 0}};
      const at::Tensor qkv = Random(207, 10 * dim);
      const at::Tensor dout = Random(207, 6 * dim);
      const Case of{heads, sequences, qkv, dout};
      ExpectEqual(Compute(of), Reference(of), std::to_string(window) + " " + std::to_string(dim));
    }
  }
}

TEST_P(CausalAttentionTest, OfLongSequencesEqualsTheDefinition) {
  // More queries than a chunk has, beside a sequence that keeps its probabilities.
  const std::vector<SequenceRows> sequences = {{0, 60}, {60, 620}};
  for (const std::int64_t window : {0, 37}) {
    const CausalHeads heads{2, 1, 40, window, {0.4, 0}};
    const at::Tensor qkv = Random(680, 4 * 40);
    const at::Tensor dout = Random(680, 2 * 40);
    const Case of{heads, sequences, qkv, dout};
    ExpectEqual(Compute(of), Reference(of), std::to_string(window));
  }
}

TEST_P(CausalAttentionTest, WithKeysInFrontAndCapsEqualsTheDefinition) {
  const std::vector<SequenceRows> sequences = {{0, 1}, {1, 45}, {46, 80}};
  for (const std::int64_t window : {0, 50}) {
    for (const std::int64_t before : {0, 35}) {
      for (const double cap : {0.0, 2.0}) {
        const CausalHeads heads{4, 2, 24, window, {0.4, cap}};
        const KeyPrefix prefix{Random(2 * before, 24).view({2, before, 24}),
                               Random(2 * before, 24).view({2, before, 24})};
        const at::Tensor qkv = Random(126, 8 * 24);
        const at::Tensor dout = Random(126, 4 * 24);
        const Case of{heads, sequences, qkv, dout, before == 0 ? nullptr : &prefix};
        ExpectEqual(
            Compute(of), Reference(of),
            std::to_string(window) + " " + std::to_string(before) + " " + std::to_string(cap));
      }
    }
  }
}

TEST_P(CausalAttentionTest, ASequenceGetsWhatItGetsAloneWhateverTheThreads) {
  const CausalHeads heads{4, 2, 16, 0, {0.25, 0}};
  for (const std::int64_t length : {70, 600}) {
    const at::Tensor qkv = Random(50 + length, 8 * 16);
    const at::Tensor dout = Random(50 + length, 4 * 16);
    const Attention together = Compute({heads, {{0, 50}, {50, length}}, qkv, dout});
    const int threads = at::get_num_threads();
    at::set_num_threads(threads == 1 ? 3 : 1);
    const at::Tensor own = qkv.narrow(0, 50, length);
    const Attention alone = Compute({heads, {{0, length}}, own, dout.narrow(0, 50, length)});
    at::set_num_threads(threads);
    EXPECT_TRUE(at::equal(together.out.narrow(0, 50, length), alone.out));
    EXPECT_TRUE(at::equal(together.dqkv.narrow(0, 50, length), alone.dqkv));
  }
}

TEST_P(CausalAttentionTest, KeepsProbabilitiesOfShortSequencesOnly) {
  const CausalHeads heads{4, 2, 8, 0, {1, 0}};
  const CausalHeads capped{4, 2, 8, 0, {1, 50}};
  const at::Tensor qkv = Random(600, 64);
  const at::Tensor out = Random(600, 32);
  const std::vector<SequenceRows> sequences = {{0, 40}, {40, 560}};
  std::vector<at::Tensor> probabilities(2);
  CausalAttention(heads, sequences, {qkv}, out, probabilities);
  EXPECT_TRUE(probabilities[0].defined());
  EXPECT_FALSE(probabilities[1].defined());
  CausalAttention(capped, sequences, {qkv}, out, probabilities);
  EXPECT_FALSE(probabilities[0].defined());
}

INSTANTIATE_TEST_SUITE_P(Sets, CausalAttentionTest, KernelSets(), NameOf);

}  // namespace
}  // namespace lathe::trainer::kernels
