// Products with quantised weights as they are stored, by kernels, against the formula in fp64 on
// the dequantised weight. Sums are in another order: 1e-5 of the largest value in fp32, one
// rounding of it in bf16 and fp16.

#include "worker/trainer/quantization/stored_product_cuda.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/worker/trainer/kernels/cuda/kernel_device.h"
#include "tests/worker/trainer/quantization/random_matrix.h"
#include "worker/trainer/kernels/cuda/launch.h"
#if !defined(LATHE_TEST_ON_GPU)
#include "worker/trainer/kernels/cuda/emulation.h"
#endif

namespace lathe::trainer::quantization {
namespace {

using kernels::cuda::Back;
using kernels::cuda::KernelDevice;
using kernels::cuda::There;

constexpr QuantizationSettings kSettings[] = {{QuantizationType::kNf4, true},
                                              {QuantizationType::kFp4, false},
                                              {QuantizationType::kInt8, false}};

at::Tensor Wide(const at::Tensor& x) {
  return x.to(at::kCPU, at::kDouble);
}

class StoredProductCudaTest : public kernels::cuda::KernelTest {
 protected:
  static at::Tensor Draw(std::vector<std::int64_t> shape) {
    return There(at::randn(shape, at::kFloat).to(GetParam()));
  }
  static at::Tensor ValuesOf(const QuantizedMatrix& matrix) {
    at::Tensor weight = at::empty({matrix.rows, matrix.columns}, GetParam());
    Dequantize(matrix, weight);
    return Wide(weight);
  }
  static void ExpectNear(const at::Tensor& got, const at::Tensor& want, const std::string& what) {
    const double tolerance = GetParam() == at::kFloat  ? 1e-5
                             : GetParam() == at::kHalf ? 1e-3
                                                       : 8e-3;
    EXPECT_LT((Wide(got) - want).abs().max().item<double>(),
              tolerance * want.abs().max().item<double>())
        << what;
  }
  /// Columns of a wider matrix.
  static Added DrawAddition(std::int64_t rows, std::int64_t columns, std::int64_t rank,
                            bool transposed) {
    Added added;
    added.left = Draw({rows, rank + 7}).narrow(1, 3, rank);
    added.right = transposed ? Draw({rank, columns}).t() : Draw({columns, rank});
    added.scale = 1.5;
    return added;
  }
  /// Into columns of a wider result, all of whose others are left alone.
  static void ExpectForward(const QuantizedMatrix& matrix, const at::Tensor& x, const Added& added,
                            const std::string& what) {
    const QuantizedMatrix there = MoveTo(matrix, KernelDevice());
    ASSERT_TRUE(FitsStoredKernels(there, x)) << what;
    const at::Tensor all = at::full({x.size(0), matrix.rows + 9}, 7.0, x.options());
    at::Tensor y = all.narrow(1, 4, matrix.rows);
    MultiplyStoredByKernels(there, x, added, y);
    ExpectNear(y, at::mm(Wide(x), ValuesOf(matrix).t()) + ValueOf(added), what);
    y.fill_(7);
    EXPECT_TRUE(at::equal(all, at::full_like(all, 7))) << what;
  }
  static at::Tensor ValueOf(const Added& added) {
    at::Tensor value = at::zeros({1, 1}, at::kDouble);
    if (added.left.defined()) {
      value = at::mm(Wide(added.left), Wide(added.right).t()) * added.scale;
    }
    return added.bias.defined() ? value + Wide(added.bias) : value;
  }
};
INSTANTIATE_TEST_SUITE_P(Types, StoredProductCudaTest, kernels::cuda::kTypes,
                         kernels::cuda::TypeName);
class StoredTilesCudaTest : public StoredProductCudaTest {};
INSTANTIATE_TEST_SUITE_P(Types, StoredTilesCudaTest, testing::Values(at::kBFloat16, at::kHalf),
                         kernels::cuda::TypeName);

std::string Named(std::int64_t rows, const QuantizedMatrix& matrix) {
  return std::to_string(rows) + " rows, " + std::to_string(matrix.rows) + " x " +
         std::to_string(matrix.columns);
}

TEST_P(StoredProductCudaTest, FewRows) {
  for (const QuantizationSettings& settings : kSettings) {
    // A block's worth of outputs and one more; rows that end within a warp's step, and beyond it.
    for (const auto& [out, in] : {std::pair{17L, 96L}, {5L, 1184L}}) {
      const QuantizedMatrix matrix = RandomMatrix(settings, out, in);
      for (const std::int64_t rows : {1, 2, 3, 7, 8}) {
        const at::Tensor x = Draw({rows, in});
        ExpectForward(matrix, x, {}, Named(rows, matrix));
        Added added = DrawAddition(rows, out, 40, rows == 3);
        ExpectForward(matrix, x, added, Named(rows, matrix) + " and a low-rank product");
        added.bias = Draw({out});
        ExpectForward(matrix, x, added, Named(rows, matrix) + " and a bias");
      }
    }
  }
}

TEST_P(StoredTilesCudaTest, ManyRows) {
  for (const QuantizationSettings& settings : kSettings) {
    // Less than a tile, one and a bit; a sum that several blocks share.
    for (const auto& [out, in] : {std::pair{9L, 32L}, {70L, 96L}, {8L, 1056L}}) {
      const QuantizedMatrix matrix = RandomMatrix(settings, out, in);
      // Every height of tile, full and not.
      for (const std::int64_t rows : {9, 16, 17, 64, 65, 130}) {
        if (in > 1000 && rows > 17) continue;
        const at::Tensor x = Draw({rows, in + 8}).narrow(1, 8, in);
        ExpectForward(matrix, x, {}, Named(rows, matrix));
        Added added = DrawAddition(rows, out, rows == 16 ? 70 : 5, false);
        added.bias = Draw({out});
        ExpectForward(matrix, x, added, Named(rows, matrix) + " and what is added");
      }
    }
  }
}

TEST_P(StoredTilesCudaTest, ThroughAWeightOfSeveralParts) {
  for (const QuantizationSettings& settings : kSettings) {
    for (const auto& sizes : {std::vector{40L}, {40L, 8L, 72L}, {520L, 1032L}}) {
      for (const std::int64_t rows : {1, 16, 70, 129}) {
        if (sizes[0] > 500 && rows > 16) continue;
        const std::int64_t in = rows > 16 ? 96 : 160;
        std::vector<QuantizedMatrix> parts;
        std::vector<at::Tensor> values;
        std::int64_t out = 0;
        for (const std::int64_t size : sizes) {
          const QuantizedMatrix matrix = RandomMatrix(settings, size, in);
          values.push_back(ValuesOf(matrix));
          parts.push_back(MoveTo(matrix, KernelDevice()));
          out += size;
        }
        const at::Tensor dy = Draw({rows, out});
        ASSERT_TRUE(FitsThroughStoredKernels(parts, dy));
        const at::Tensor product = at::mm(Wide(dy), at::cat(values));
        const std::string what = Named(rows, parts[0]);
        ExpectNear(MultiplyThroughStoredByKernels(parts, dy, {}), product, what);
        for (const bool transposed : {true, false}) {
          const Added added = DrawAddition(rows, in, rows == 70 ? 65 : 6, transposed);
          ExpectNear(MultiplyThroughStoredByKernels(parts, dy, added), product + ValueOf(added),
                     what + " and a low-rank product");
        }
      }
    }
  }
}

#if !defined(LATHE_TEST_ON_GPU)
TEST_P(StoredTilesCudaTest, WhichThreadIsFirstDoesNotMatter) {
  const QuantizedMatrix matrix = RandomMatrix({}, 72, 160);
  const at::Tensor x = Draw({70, 160});
  const at::Tensor dy = Draw({70, 72});
  const Added forward = DrawAddition(70, 72, 66, false);
  const Added backward = DrawAddition(70, 160, 66, true);
  std::vector<at::Tensor> results;
  for (const auto order :
       {kernels::cuda::emulation::Order::kRising, kernels::cuda::emulation::Order::kFalling}) {
    kernels::cuda::emulation::SetOrder(order);
    at::Tensor y = at::empty({70, 72}, x.options());
    MultiplyStoredByKernels(matrix, x, forward, y);
    results.push_back(at::cat({y, MultiplyThroughStoredByKernels({&matrix, 1}, dy, backward)}, 1));
  }
  kernels::cuda::emulation::SetOrder(kernels::cuda::emulation::Order::kRising);
  EXPECT_TRUE(at::equal(results[0], results[1]));
}
#endif

TEST(StoredProductTest, BlocksShareLongSumsOfFewTiles) {
  using kernels::cuda::SplitsFor;
  EXPECT_EQ(SplitsFor(64, 4096, 4096), 4);
  EXPECT_EQ(SplitsFor(256, 4096, 28672), 1);
  EXPECT_EQ(SplitsFor(16, 4096, 1024), 8);
  EXPECT_EQ(SplitsFor(16, 511, 64), 1);
}

TEST_P(StoredProductCudaTest, WhatDoesNotFitIsLeftToOthers) {
  const auto fits = [](std::int64_t rows, std::int64_t in, bool shifted) {
    const QuantizedMatrix matrix = RandomMatrix({}, 4, in);
    const at::Tensor x = at::zeros({rows, in + 1}, GetParam());
    return FitsStoredKernels(matrix,
                             shifted ? x.narrow(1, 1, in) : at::zeros({rows, in}, GetParam()));
  };
  const bool tiles = GetParam() != at::kFloat;
  EXPECT_TRUE(fits(8, 64, false));
  EXPECT_EQ(fits(9, 64, false), tiles);
  EXPECT_EQ(fits(kMostStoredRows, 64, false), tiles);
  EXPECT_FALSE(fits(kMostStoredRows + 1, 64, false));
  EXPECT_FALSE(fits(0, 64, false));
  EXPECT_FALSE(fits(1, 48, false));
  EXPECT_FALSE(fits(9, 64, true));
  const auto through = [](std::int64_t out, std::int64_t in) {
    const QuantizedMatrix matrix = RandomMatrix({}, out, in);
    return FitsThroughStoredKernels({&matrix, 1}, at::zeros({20, out}, GetParam()));
  };
  EXPECT_EQ(through(8, 64), tiles);
  EXPECT_FALSE(through(4, 64));
  EXPECT_FALSE(through(8, 48));
}

}  // namespace
}  // namespace lathe::trainer::quantization
