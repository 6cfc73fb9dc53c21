#include "worker/trainer/kernels/few_row_product.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <string>

namespace lathe::trainer::kernels {
namespace {

class FewRowProductTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(5);
    if (!HasFewRowProduct(Random(1, 8), Random(8, 8))) {
      GTEST_SKIP() << "this processor has no kernels for the type";
    }
  }
  static at::Tensor Random(std::int64_t rows, std::int64_t columns) {
    return at::randn({rows, columns}, at::kFloat).to(GetParam());
  }
  static at::Tensor Exact(const at::Tensor& left, const at::Tensor& right) {
    return at::matmul(left.to(at::kDouble), right.to(at::kDouble).t());
  }
};

TEST_P(FewRowProductTest, EqualsTheDefinition) {
  for (const std::int64_t rows : {1, 6, 27}) {
    for (const std::int64_t depth : {1, 31, 77, 576}) {
      const at::Tensor x = Random(rows, depth);
      const at::Tensor weight = Random(150, depth);
      const at::Tensor bias = Random(1, 150)[0];
      const at::Tensor z = Random(rows, 11);
      const at::Tensor first = Random(70, 3);
      const at::Tensor second = Random(29, 8);
      const std::vector<LowRankProduct> low_rank = {{z.narrow(1, 0, 3), first, 0, 2},
                                                    {z.narrow(1, 3, 8), second, 121, 0.5}};
      at::Tensor want = Exact(x, weight) + bias;
      want.narrow(1, 0, 70).add_(Exact(z.narrow(1, 0, 3), first) * 2);
      want.narrow(1, 121, 29).add_(Exact(z.narrow(1, 3, 8), second) * 0.5);
      const at::Tensor got = FewRowProduct(x, weight, {.bias = bias, .low_rank = low_rank});
      const double tolerance = GetParam() == at::kFloat ? 1e-4 : 0.4;
      EXPECT_LT((got.to(at::kDouble) - want).abs().max().item<double>(), tolerance)
          << rows << " x " << depth;
    }
  }
}

TEST_P(FewRowProductTest, ARowGetsWhatItGetsAloneWhateverTheThreads) {
  const at::Tensor x = Random(7, 320);
  const at::Tensor weight = Random(900, 320);
  const at::Tensor together = FewRowProduct(x, weight);
  const int threads = at::get_num_threads();
  at::set_num_threads(threads == 1 ? 3 : 1);
  for (std::int64_t row = 0; row < 7; ++row) {
    EXPECT_TRUE(at::equal(together.narrow(0, row, 1), FewRowProduct(x.narrow(0, row, 1), weight)));
  }
  at::set_num_threads(threads);
}

TEST_P(FewRowProductTest, ManyRowsAreLeftToOthers) {
  EXPECT_FALSE(HasFewRowProduct(Random(28, 8), Random(8, 8)));
  EXPECT_FALSE(HasFewRowProduct(Random(1, 8), Random(8, 8).t()));
}

INSTANTIATE_TEST_SUITE_P(Types, FewRowProductTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) { return std::string(toString(type.param)); });

}  // namespace
}  // namespace lathe::trainer::kernels
