#include "worker/trainer/kernels/cached_attention.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace lathe::trainer::kernels {
namespace {

class CachedAttentionTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(5);
    if (!HasCachedAttention(Random({1, 8}))) {
      GTEST_SKIP() << "this processor has no kernels for the type";
    }
  }
  static at::Tensor Random(at::IntArrayRef sizes) {
    return at::randn(sizes, at::kFloat).to(GetParam());
  }
  static at::Tensor Exact(const CausalHeads& heads, const at::Tensor& query,
                          const CachedKeys& cached) {
    at::Tensor out = at::empty({heads.heads, heads.head_dim}, at::kDouble);
    const std::int64_t count =
        heads.window == 0 ? cached.length : std::min(heads.window, cached.length);
    for (std::int64_t head = 0; head < heads.heads; ++head) {
      const auto seen = [&](const at::Tensor& kept) {
        return kept[head / (heads.heads / heads.kv_heads)]
            .narrow(0, cached.length - count, count)
            .to(at::kDouble);
      };
      const at::Tensor q = query.narrow(0, head * heads.head_dim, heads.head_dim);
      at::Tensor scores = at::matmul(seen(cached.keys), q.to(at::kDouble)) * heads.scaling.scale;
      if (heads.scaling.cap > 0) scores = at::tanh(scores / heads.scaling.cap) * heads.scaling.cap;
      out[head] = at::matmul(at::softmax(scores, 0), seen(cached.values));
    }
    return out.flatten();
  }
};

TEST_P(CachedAttentionTest, EqualsTheDefinitionRowByRowWhateverTheThreads) {
  for (const std::int64_t dim : {20, 64, 144}) {
    for (const std::int64_t window : {0, 9}) {
      for (const double cap : {0.0, 3.0}) {
        const CausalHeads heads{6, 2, dim, window, {0.3, cap}};
        const at::Tensor keys = Random({2, 80, dim});
        const at::Tensor values = Random({2, 80, dim});
        const at::Tensor others = Random({2, 50, dim});
        const std::vector<CachedKeys> rows = {
            {keys, values, 1}, {others, others, 33}, {keys, values, 80}};
        const at::Tensor qkv = Random({3, 10 * dim});
        const at::Tensor got = CachedAttention(heads, qkv, rows);
        const int threads = at::get_num_threads();
        at::set_num_threads(threads == 1 ? 3 : 1);
        for (std::int64_t row = 0; row < 3; ++row) {
          const CachedKeys& own = rows[static_cast<std::size_t>(row)];
          const at::Tensor difference = got[row].to(at::kDouble) - Exact(heads, qkv[row], own);
          EXPECT_LT(difference.abs().max().item<double>(), GetParam() == at::kFloat ? 1e-5 : 2e-2);
          const at::Tensor alone = CachedAttention(heads, qkv.narrow(0, row, 1), {&own, 1});
          EXPECT_TRUE(at::equal(alone[0], got[row]));
        }
        at::set_num_threads(threads);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, CachedAttentionTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return std::string(toString(type.param)); });

}  // namespace
}  // namespace lathe::trainer::kernels
