#include "worker/trainer/kernels/cross_entropy.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "worker/trainer/kernels/ops_aten.h"

namespace lathe::trainer::kernels {
namespace {

TEST(CrossEntropyRowsTest, AreThoseOfEachRowAlone) {
  const at::Tensor logits = at::randn({3, 40}, at::kFloat) * 6;
  const at::Tensor targets = at::arange(3, at::kLong) * 13;
  const at::Tensor scales = at::arange(3, at::kFloat) * -0.5;  // The first one is 0.
  for (const double cap : {0.0, 5.0}) {
    at::Tensor gradient = logits.clone();
    const auto [losses, hits] = CrossEntropyRows(gradient, targets, scales, cap);
    for (std::int64_t r = 0; r < 3; ++r) {
      at::Tensor row = logits.narrow(0, r, 1).clone();
      const double scale = scales[r].item<float>();
      const at::Tensor row_scale = scales.narrow(0, r, 1);
      const auto alone = CrossEntropyRows(row, targets.narrow(0, r, 1), row_scale, cap);
      if (scale == 0) {
        EXPECT_EQ(row.abs().max().item<float>(), 0);
      }
      EXPECT_EQ(losses[r].item<float>(), alone.losses[0].item<float>());
      EXPECT_EQ(hits[r].item<float>(), alone.hits[0].item<float>());
      EXPECT_LT((gradient.narrow(0, r, 1) - row).abs().max().item<float>(), 1e-6F);
    }
    at::Tensor chain = logits.clone();
    const auto of_chain = aten::CrossEntropyRows(chain, targets, scales, cap);
    EXPECT_LT((chain - gradient).abs().max().item<float>(), 1e-5F);
    EXPECT_LT((of_chain.losses - losses).abs().max().item<float>(), 1e-4F);
    EXPECT_TRUE(at::equal(of_chain.hits, hits));
  }
  at::Tensor untouched = logits.clone();
  CrossEntropyRows(untouched, targets, {});
  EXPECT_TRUE(at::equal(untouched, logits));
}

TEST(CrossEntropyRowsTest, ATargetIsHitWhenNoLogitIsLarger) {
  const at::Tensor rows = at::empty({3, 3}, at::kFloat);
  const float values[] = {1, 5, 2, 1, 5, 2, 4, 4, 0};
  std::copy(std::begin(values), std::end(values), rows.data_ptr<float>());
  at::Tensor targets = at::empty({3}, at::kLong);
  const std::int64_t labels[] = {1, 2, 0};
  std::copy(std::begin(labels), std::end(labels), targets.data_ptr<std::int64_t>());
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const double cap : {0.0, 3.0}) {
      at::Tensor logits = rows.to(type);
      for (const at::Tensor& hits : {CrossEntropyRows(logits, targets, {}, cap).hits,
                                     aten::CrossEntropyRows(logits, targets, {}, cap).hits}) {
        EXPECT_EQ(hits[0].item<float>(), 1);
        EXPECT_EQ(hits[1].item<float>(), 0);
        EXPECT_EQ(hits[2].item<float>(), 1) << "a tie";
      }
    }
  }
}

}  // namespace
}  // namespace lathe::trainer::kernels
