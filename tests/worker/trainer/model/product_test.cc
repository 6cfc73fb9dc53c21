#include "worker/trainer/model/product.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <vector>

namespace lathe::trainer::model {
namespace {

class ProductTest : public testing::Test {
 protected:
  ProductTest() {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(4);
  }
  static void ExpectProduct(const at::Tensor& got, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    at::Tensor want = at::mm(x.to(at::kDouble), weight.to(at::kDouble).t());
    if (bias.defined()) want = want + bias.to(at::kDouble);
    ASSERT_EQ(got.sizes(), want.sizes());
    EXPECT_EQ(got.scalar_type(), x.scalar_type());
    EXPECT_LT((got - want).abs().max().item<double>(), x.scalar_type() == at::kFloat ? 1e-4 : 0.5);
  }
};

TEST_F(ProductTest, OwnAndOthersKernelsGiveIt) {
  for (const std::int64_t rows : {1, 27, 28, 100}) {
    const at::Tensor x = at::randn({rows, 96}, at::kFloat);
    const at::Tensor weight = at::randn({80, 96}, at::kFloat);
    const at::Tensor transposed = at::randn({96, 80}, at::kFloat).t();
    const at::Tensor bias = at::randn({80}, at::kFloat);
    for (const at::Tensor& w : {weight, transposed}) {
      for (const at::Tensor& b : {at::Tensor(), bias}) {
        ExpectProduct(Product(x, w, b), x, w, b);
      }
    }
  }
}

TEST_F(ProductTest, Bfloat16AndNoRows) {
  const at::Tensor x = at::randn({40, 64}, at::kFloat).to(at::kBFloat16);
  const at::Tensor weight = at::randn({16, 64}, at::kFloat).to(at::kBFloat16);
  ExpectProduct(Product(x, weight), x, weight, {});
  EXPECT_EQ(Product(x.narrow(0, 0, 0), weight).size(0), 0);
}

/// Own kernels, those for few rows, and torch's: for fp16, and where low-rank products do not lie
/// as kernels for few rows want them.
TEST_F(ProductTest, LowRankProductsAreAdded) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf}) {
    for (const std::int64_t rows : {5, 40}) {
      const at::Tensor x = at::randn({rows, 32}).to(type);
      const at::Tensor weight = at::randn({24, 32}).to(type);
      const at::Tensor z = at::randn({rows, 5}).to(type);
      for (const std::int64_t reached : {16, 24}) {
        for (const at::Tensor& right :
             {at::randn({reached, 5}).to(type), at::randn({5, reached}).to(type).t()}) {
          const kernels::LowRankProduct product{z, right, 24 - reached, 0.5};
          kernels::PackedRows packed(x);
          const at::Tensor got = Product(packed, weight, {.low_rank = {&product, 1}});
          at::Tensor want = at::mm(x.to(at::kDouble), weight.to(at::kDouble).t());
          want.narrow(1, 24 - reached, reached)
              .addmm_(z.to(at::kDouble), right.to(at::kDouble).t(), 1, 0.5);
          EXPECT_LT((got - want).abs().max().item<double>(), type == at::kFloat ? 1e-4 : 0.1)
              << rows << " " << reached;
        }
      }
    }
  }
}

TEST_F(ProductTest, ProjectionsLieSideBySide) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf}) {
    for (const std::int64_t rows : {5, 40}) {
      const at::Tensor x = at::randn({rows, 48}).to(type);
      const std::vector<kernels::Projection> projections = {{at::randn({3, 32}).to(type), 0},
                                                            {at::randn({16, 2}).to(type).t(), 32}};
      kernels::PackedRows packed(x);
      const at::Tensor got = ProjectRows(packed, projections);
      ASSERT_EQ(got.sizes(), (std::vector<std::int64_t>{rows, 5}));
      ExpectProduct(got.narrow(1, 0, 3), x.narrow(1, 0, 32), projections[0].weight, {});
      ExpectProduct(got.narrow(1, 3, 2), x.narrow(1, 32, 16), projections[1].weight, {});
    }
  }
}

/// Also of operands that own kernels do not take: in columns, and of fp16.
TEST_F(ProductTest, GradientsAreAddedTo) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kHalf}) {
    for (const std::int64_t rows : {1, 9, 40}) {
      const at::Tensor left = at::randn({rows, 40}).to(type);
      const at::Tensor right = at::randn({rows, 50}).to(type);
      const at::Tensor want = at::mm(left.to(at::kDouble).t(), right.to(at::kDouble)) * 0.5 + 1;
      for (const at::Tensor& l : {left, left.t().contiguous().t()}) {
        const at::Tensor gradient = at::ones({40, 50}, at::kFloat);
        const at::Tensor mirrored = at::ones({50, 40}, at::kFloat);
        const std::vector<kernels::OuterTerm> terms = {{l, right, 0.5, gradient},
                                                       {l, right, 0.5, mirrored.t()}};
        AddGradients(terms);
        for (const at::Tensor& got : {gradient, mirrored.t()}) {
          EXPECT_LT((got - want).abs().max().item<double>(), type == at::kFloat ? 1e-4 : 0.1)
              << type << " " << rows;
        }
      }
    }
  }
}

TEST_F(ProductTest, TheSameBitsEachTime) {
  const at::Tensor x = at::randn({200, 96}, at::kFloat);
  const at::Tensor weight = at::randn({80, 96}, at::kFloat);
  EXPECT_TRUE(at::equal(Product(x, weight), Product(x, weight)));
}

}  // namespace
}  // namespace lathe::trainer::model
