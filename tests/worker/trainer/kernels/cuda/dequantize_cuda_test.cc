// Quantised weights on a GPU have the bits that they have on the CPU.

#include "worker/trainer/quantization/dequantize_cuda.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/worker/trainer/kernels/cuda/kernel_device.h"

namespace lathe::trainer::quantization {
namespace {

using kernels::cuda::Back;
using kernels::cuda::KernelDevice;

QuantizedMatrix Random(const QuantizationSettings& settings, std::int64_t rows,
                       std::int64_t columns) {
  const at::Tensor values = at::randn({rows, columns}, at::kFloat);
  const float* data = values.const_data_ptr<float>();
  const auto read = [&](std::int64_t begin, std::int64_t end, std::span<float> out) -> Status {
    std::copy(data + begin * columns, data + end * columns, out.begin());
    return {};
  };
  return Quantize(settings, rows, columns, read).value();
}

class DequantizeCudaTest : public kernels::cuda::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Types, DequantizeCudaTest, kernels::cuda::kTypes, kernels::cuda::TypeName);

TEST_P(DequantizeCudaTest, GivesTheBitsOfTheCpu) {
  for (const auto type :
       {QuantizationType::kNf4, QuantizationType::kFp4, QuantizationType::kInt8}) {
    for (const bool twice : {false, true}) {
      // Whole pieces; an odd number of elements; more than one nested block of scales.
      for (const auto& [rows, columns] : {std::pair{16L, 64L}, {7L, 33L}, {300L, 72L}}) {
        const QuantizedMatrix matrix = Random({type, twice}, rows, columns);
        at::Tensor here = at::empty({rows, columns}, GetParam());
        at::Tensor there = at::empty({rows, columns}, here.options().device(KernelDevice()));
        Dequantize(matrix, here);
        DequantizeByKernels(MoveTo(matrix, KernelDevice()), there);
        EXPECT_TRUE(at::equal(Back(there), here)) << rows << " x " << columns;
      }
    }
  }
}

TEST_P(DequantizeCudaTest, WritesIntoRowsOfALargerWeight) {
  const QuantizedMatrix matrix = Random({QuantizationType::kNf4, true}, 5, 36);
  at::Tensor here = at::empty({5, 36}, GetParam());
  Dequantize(matrix, here);
  // Rows that do not begin on 16 bytes.
  at::Tensor all = at::empty({8, 36}, here.options().device(KernelDevice()));
  at::Tensor rows = all.narrow(0, 3, 5);
  DequantizeByKernels(MoveTo(matrix, KernelDevice()), rows);
  EXPECT_TRUE(at::equal(Back(rows), here));
}

// The sums are in another order: 1e-5 of the largest value in fp32, one rounding of it in bf16 and
// fp16.
TEST_P(DequantizeCudaTest, MultipliesFewRowsAsTheDequantisedWeightDoes) {
  const double tolerance = GetParam() == at::kFloat ? 1e-5 : GetParam() == at::kHalf ? 1e-3 : 8e-3;
  for (const auto type :
       {QuantizationType::kNf4, QuantizationType::kFp4, QuantizationType::kInt8}) {
    // A block's worth of outputs and one more; rows that end within a warp's step, and beyond it.
    for (const auto& [out, in] : {std::pair{17L, 96L}, {5L, 1184L}}) {
      const QuantizedMatrix matrix = Random({type, true}, out, in);
      at::Tensor weight = at::empty({out, in}, GetParam());
      Dequantize(matrix, weight);
      const QuantizedMatrix there = MoveTo(matrix, KernelDevice());
      for (const std::int64_t rows : {1, 2, 3, 7, 8}) {
        const at::Tensor x = at::randn({rows, in}, at::kFloat).to(GetParam());
        const at::Tensor x_there = kernels::cuda::There(x);
        ASSERT_TRUE(FitsRowKernels(there, x_there));
        // Columns of a wider result, all of whose others are left alone.
        const at::Tensor all = at::full({rows, out + 9}, 7.0, x_there.options());
        at::Tensor y = all.narrow(1, 4, out);
        MultiplyRowsByKernels(there, x_there, y);
        const at::Tensor want = at::mm(x.to(at::kFloat), weight.to(at::kFloat).t());
        const at::Tensor distance = (Back(y).to(at::kFloat) - want).abs();
        EXPECT_LT(distance.max().item<float>(), tolerance * want.abs().max().item<float>())
            << rows << " rows, " << out << " x " << in;
        y.fill_(7);
        EXPECT_TRUE(at::equal(all, at::full_like(all, 7)));
      }
    }
  }
}

TEST_P(DequantizeCudaTest, RowsThatDoNotFitAreLeftToOthers) {
  const auto fits = [](std::int64_t rows, std::int64_t in) {
    const QuantizedMatrix matrix = Random({QuantizationType::kNf4, true}, 4, in);
    return FitsRowKernels(matrix, at::zeros({rows, in}, GetParam()));
  };
  EXPECT_TRUE(fits(8, 64));
  EXPECT_FALSE(fits(9, 64));
  EXPECT_FALSE(fits(0, 64));
  EXPECT_FALSE(fits(1, 48));
}

}  // namespace
}  // namespace lathe::trainer::quantization
