#include "worker/trainer/kernels/cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "worker/trainer/kernels/ops.h"
#include "worker/trainer/kernels/ops_aten.h"

namespace lathe::trainer::kernels {
namespace {

TEST(CrossEntropyRowsTest, AreThoseOfEachRowAlone) {
  const at::Tensor logits = at::randn({3, 40}, at::kFloat) * 6;
  const at::Tensor targets = at::arange(3, at::kLong) * 13;
  const at::Tensor scales = at::arange(3, at::kFloat) * -0.5;  // The first one is 0.
  for (const double cap : {0.0, 5.0}) {
    at::Tensor gradient = logits.clone();
    const at::Tensor losses = CrossEntropyRows(gradient, targets, scales, cap);
    for (std::int64_t r = 0; r < 3; ++r) {
      at::Tensor row = logits.narrow(0, r, 1).clone();
      const double scale = scales[r].item<float>();
      const double loss = CrossEntropy(row, targets.narrow(0, r, 1), scale, cap);
      if (scale == 0) row.zero_();
      EXPECT_NEAR(losses[r].item<float>(), loss, 1e-5 * loss);
      EXPECT_LT((gradient.narrow(0, r, 1) - row).abs().max().item<float>(), 1e-6F);
    }
    at::Tensor chain = logits.clone();
    const at::Tensor chain_losses = aten::CrossEntropyRows(chain, targets, scales, cap);
    EXPECT_LT((chain - gradient).abs().max().item<float>(), 1e-5F);
    EXPECT_LT((chain_losses - losses).abs().max().item<float>(), 1e-4F);
  }
  at::Tensor untouched = logits.clone();
  CrossEntropyRows(untouched, targets, {});
  EXPECT_TRUE(at::equal(untouched, logits));
}

}  // namespace
}  // namespace lathe::trainer::kernels
