#include "worker/trainer/model/product.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

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

TEST_F(ProductTest, TheSameBitsEachTime) {
  const at::Tensor x = at::randn({200, 96}, at::kFloat);
  const at::Tensor weight = at::randn({80, 96}, at::kFloat);
  EXPECT_TRUE(at::equal(Product(x, weight), Product(x, weight)));
}

}  // namespace
}  // namespace lathe::trainer::model
