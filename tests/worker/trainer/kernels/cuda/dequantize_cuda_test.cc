// Quantised weights on a GPU have the bits that they have on the CPU.

#include "worker/trainer/quantization/dequantize_cuda.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/kernels/cuda/kernel_device.h"
#include "tests/worker/trainer/quantization/random_matrix.h"

namespace lathe::trainer::quantization {
namespace {

using kernels::cuda::Back;
using kernels::cuda::KernelDevice;

class DequantizeCudaTest : public kernels::cuda::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Types, DequantizeCudaTest, kernels::cuda::kTypes, kernels::cuda::TypeName);

TEST_P(DequantizeCudaTest, GivesTheBitsOfTheCpu) {
  for (const auto type :
       {QuantizationType::kNf4, QuantizationType::kFp4, QuantizationType::kInt8}) {
    for (const bool twice : {false, true}) {
      // Whole pieces; an odd number of elements; more than one nested block of scales.
      for (const auto& [rows, columns] : {std::pair{16L, 64L}, {7L, 33L}, {300L, 72L}}) {
        const QuantizedMatrix matrix = RandomMatrix({type, twice}, rows, columns);
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
  const QuantizedMatrix matrix = RandomMatrix({QuantizationType::kNf4, true}, 5, 36);
  at::Tensor here = at::empty({5, 36}, GetParam());
  Dequantize(matrix, here);
  // Rows that do not begin on 16 bytes.
  at::Tensor all = at::empty({8, 36}, here.options().device(KernelDevice()));
  at::Tensor rows = all.narrow(0, 3, 5);
  DequantizeByKernels(MoveTo(matrix, KernelDevice()), rows);
  EXPECT_TRUE(at::equal(Back(rows), here));
}

}  // namespace
}  // namespace lathe::trainer::quantization
