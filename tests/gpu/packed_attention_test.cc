// The flash kernels against the CPU's attention in fp32, sequence by sequence. Tolerance: bf16 has
// 8 bits, and the kernels round probabilities to it.

#include "worker/trainer/model/packed_attention.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

namespace lathe::trainer::model {
namespace {

struct Case {
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t head_dim;
  std::int64_t window;
};

class PackedAttentionTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!at::globalContext().hasCUDA()) GTEST_SKIP() << "this machine has no usable GPU";
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(5);
  }
};
INSTANTIATE_TEST_SUITE_P(Shapes, PackedAttentionTest,
                         testing::Values(Case{4, 4, 64, 0}, Case{8, 2, 128, 0}, Case{6, 2, 64, 40},
                                         Case{4, 1, 256, 0}, Case{3, 3, 96, 0}));

void ExpectNear(const at::Tensor& there, const at::Tensor& here) {
  const at::Tensor distance = (there.to(at::kCPU).to(at::kFloat) - here).abs();
  EXPECT_LT(distance.max().item<float>(), 2e-2F * here.abs().max().item<float>());
  EXPECT_LT(distance.mean().item<float>(), 2e-3F * here.abs().max().item<float>());
}

TEST_P(PackedAttentionTest, EqualsAttentionSequenceBySequence) {
  const Case c = GetParam();
  const AttentionShape shape{
      c.heads, c.kv_heads, c.head_dim, c.window, {.scale = 1 / std::sqrt(c.head_dim), .cap = 0}};
  const std::vector<std::int64_t> lengths = {130, 1, 57, 300};
  const std::int64_t rows = 488;
  const at::Tensor qkv = at::randn({rows, (c.heads + 2 * c.kv_heads) * c.head_dim}, at::kFloat)
                             .to(at::kBFloat16)
                             .to(at::kFloat);
  const at::Tensor dout =
      at::randn({rows, c.heads * c.head_dim}, at::kFloat).to(at::kBFloat16).to(at::kFloat);
  at::Tensor out = at::empty_like(dout);
  at::Tensor dqkv = at::empty_like(qkv);
  std::int64_t begin = 0;
  for (const std::int64_t length : lengths) {
    at::Tensor out_rows = out.narrow(0, begin, length);
    at::Tensor dqkv_rows = dqkv.narrow(0, begin, length);
    const at::Tensor sequence = qkv.narrow(0, begin, length);
    const at::Tensor p = AttentionForward(shape, {sequence}, out_rows);
    AttentionBackward(shape, {sequence}, p, dout.narrow(0, begin, length), dqkv_rows);
    begin += length;
  }
  const at::Device gpu(at::kCUDA, 0);
  const auto there = [&](const at::Tensor& x) { return x.to(at::kBFloat16).to(gpu); };
  const SequenceStarts starts = StartsOf(lengths, gpu);
  const at::Tensor qkv_there = there(qkv);
  ASSERT_TRUE(CanPack(shape, qkv_there));
  PackedTape tape;
  const at::Tensor out_there = PackedForward(shape, starts, qkv_there, &tape);
  ExpectNear(out_there, out);
  const auto backward = [&] {
    return PackedBackward(shape, starts, {qkv_there, out_there, there(dout), tape});
  };
  const at::Tensor first = backward();
  ExpectNear(first, dqkv);
  for (int i = 0; i < 5; ++i)
    EXPECT_TRUE(at::equal(backward(), first)) << "differs from run to run";
}

}  // namespace
}  // namespace lathe::trainer::model
