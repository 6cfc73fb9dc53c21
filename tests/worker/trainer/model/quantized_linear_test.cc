// Linear layers whose weights live quantised: forward and backward are the formula in fp64 on the
// weights' values, whether these are dequantised first or the kernels read them as they are stored
// (on a GPU, and emulated).

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/worker/trainer/quantization/random_matrix.h"
#include "worker/trainer/model/linear.h"
#include "worker/trainer/quantization/stored_product.h"

namespace lathe::trainer::model {
namespace {

using quantization::QuantizationType;

#if defined(LATHE_TEST_ON_GPU)
const at::Device kDevice(at::kCUDA, 0);
#else
const at::Device kDevice(at::kCPU);
#endif

constexpr std::int64_t kIn = 96;
constexpr std::int64_t kSizes[] = {72, 8, 24};
constexpr std::int64_t kOut = 104;

struct QuantizedCase {
  QuantizationType quantization;
  at::ScalarType type;
  std::int64_t tokens;
};

class QuantizedLinearTest : public testing::TestWithParam<QuantizedCase> {
 protected:
  void SetUp() override {
    if (kDevice.is_cuda() && !at::globalContext().hasCUDA()) {
      GTEST_SKIP() << "this machine has no usable GPU";
    }
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(17);
    linear_.weight = at::empty({kOut, kIn}, at::TensorOptions(GetParam().type).device(at::kMeta));
    linear_.bias = Draw({kOut});
    linear_.scratch = std::make_shared<quantization::Scratch>();
    std::vector<at::Tensor> values;
    std::int64_t begin = 0;
    for (const std::int64_t size : kSizes) {
      const auto matrix = quantization::RandomMatrix({GetParam().quantization, true}, size, kIn);
      at::Tensor value = at::empty({size, kIn}, GetParam().type);
      quantization::Dequantize(matrix, value);
      values.push_back(value);
      linear_.quantized.push_back(quantization::MoveTo(matrix, kDevice));
      linear_.parts.push_back({"part", begin, size});
      begin += size;
    }
    weight_ = Wide(at::cat(values));
    // The part in the middle has no adapter.
    group_.a = Draw({6, kIn});
    group_.a_gradient = at::zeros({6, kIn}, There(at::kFloat));
    AddPart({0, 72, 0, 4, 0.5, {}, {}, {}});
    AddPart({80, 24, 4, 2, 2, {}, {}, {}});
    x_ = Draw({GetParam().tokens, kIn});
    dy_ = Draw({GetParam().tokens, kOut});
  }

  static at::TensorOptions There(at::ScalarType type) {
    return at::TensorOptions(type).device(kDevice);
  }
  static at::Tensor Draw(std::vector<std::int64_t> shape) {
    return (at::randn(shape, at::kFloat) * 0.5).to(There(GetParam().type));
  }
  void AddPart(LowRankPart part) {
    part.b = Draw({part.size, part.rank});
    part.b_gradient = at::zeros({part.size, part.rank}, There(at::kFloat));
    group_.parts.push_back(part);
  }
  static at::Tensor Wide(const at::Tensor& x) { return x.to(at::kCPU, at::kDouble); }
  /// What is added to the weight.
  at::Tensor Delta() const {
    at::Tensor delta = at::zeros({kOut, kIn}, at::kDouble);
    for (const LowRankPart& part : group_.parts) {
      const at::Tensor a = Wide(group_.a).narrow(0, part.offset, part.rank);
      delta.narrow(0, part.begin, part.size).copy_(at::mm(Wide(part.b), a) * part.scale);
    }
    return delta;
  }
  static void ExpectNear(const at::Tensor& got, const at::Tensor& want) {
    ASSERT_EQ(got.sizes(), want.sizes());
    const at::ScalarType type = GetParam().type;
    EXPECT_LT((Wide(got) - want).abs().max().item<double>(), (type == at::kFloat  ? 1e-5
                                                              : type == at::kHalf ? 4e-3
                                                                                  : 2e-2) *
                                                                 want.abs().max().item<double>());
  }

  FusedLinear linear_;
  LowRankGroup group_;
  at::Tensor weight_;
  at::Tensor x_;
  at::Tensor dy_;
};

std::vector<QuantizedCase> Cases() {
  std::vector<QuantizedCase> cases;
  for (const auto quantization : {QuantizationType::kNf4, QuantizationType::kInt8}) {
    for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
      for (const std::int64_t tokens : {1, 33, 70, 300}) {
        cases.push_back({quantization, type, tokens});
      }
    }
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(All, QuantizedLinearTest, testing::ValuesIn(Cases()));

TEST_P(QuantizedLinearTest, ForwardIsTheFormula) {
  LinearTape tape;
  const at::Tensor base = at::mm(Wide(x_), weight_.t()) + Wide(linear_.bias);
  ExpectNear(Forward(linear_, nullptr, x_, nullptr), base);
  ExpectNear(Forward(linear_, &group_, x_, &tape), base + at::mm(Wide(x_), Delta().t()));
}

TEST_P(QuantizedLinearTest, BackwardIsItsDerivative) {
  ExpectNear(Backward(linear_, nullptr, {dy_, x_, {}}), at::mm(Wide(dy_), weight_));
  for (const bool dropout : {false, true}) {
    LinearTape tape;
    at::Tensor mask = at::ones({GetParam().tokens, kIn}, at::kDouble);
    if (dropout) {
      tape.dropout_mask = ((Draw({GetParam().tokens, kIn}) > 0) * 2.0).to(GetParam().type);
      mask = Wide(tape.dropout_mask);
    }
    Forward(linear_, &group_, x_, &tape);
    const at::Tensor dx = Backward(linear_, &group_, {dy_, x_, tape});
    ExpectNear(dx, at::mm(Wide(dy_), weight_) + at::mm(Wide(dy_), Delta()) * mask);
  }
}

TEST_P(QuantizedLinearTest, KernelsReadWeightsAsStoredWhereTheyAre) {
#if defined(LATHE_TEST_ON_GPU) || defined(LATHE_KERNELS_EMULATED)
  const bool tiles = GetParam().type != at::kFloat && GetParam().tokens <= 256;
  const bool kernels = tiles || GetParam().tokens <= 8;
#else
  const bool tiles = false;
  const bool kernels = false;
#endif
  EXPECT_EQ(quantization::MultipliesStored(linear_.quantized[0], x_), kernels);
  EXPECT_EQ(quantization::MultipliesThroughStored(linear_.quantized, dy_), tiles);
}

}  // namespace
}  // namespace lathe::trainer::model
