#include "worker/trainer/kernels/gemm.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/worker/trainer/kernels/kernel_set.h"
#include "worker/trainer/kernels/outer_products.h"

namespace lathe::trainer::kernels {
namespace {

at::Tensor Double(const at::Tensor& x) {
  return x.to(at::kDouble);
}
double Difference(const at::Tensor& got, const at::Tensor& want) {
  return (Double(got) - want).abs().max().item<double>();
}

class GemmTest : public KernelSetTest {
 protected:
  void SetUp() override {
    KernelSetTest::SetUp();
    if (!IsSkipped() && !HasGemm(Random(64, 8)))
      GTEST_SKIP() << "this processor has no kernels for the type";
  }
  /// Of a result of about `depth` terms.
  static double Tolerance(std::int64_t depth) {
    const double size = std::sqrt(static_cast<double>(depth));
    return size * (GetParam().type == at::kFloat ? 1e-5 : 3e-2);
  }
};

TEST_P(GemmTest, EveryShapeAndBothOrders) {
  for (const std::int64_t rows : {28, 29, 41, 100}) {
    for (const std::int64_t columns : {1, 16, 17, 80, 131}) {
      for (const std::int64_t depth : {1, 7, 33, 96}) {
        const at::Tensor x = Random(rows, depth);
        const at::Tensor weight = Random(columns, depth);
        const at::Tensor bias = Random(1, columns).flatten();
        const at::Tensor want = at::mm(Double(x), Double(weight).t()) + Double(bias);
        for (const at::Tensor& w : {weight, weight.t().contiguous().t()}) {
          PackedRows packed(x);
          EXPECT_LT(Difference(Multiply(packed, w, {.bias = bias}), want), Tolerance(depth + 4))
              << rows << " " << columns << " " << depth;
        }
      }
    }
  }
}

/// Relative to the sum of magnitudes; rows and columns are of very different sizes.
TEST_P(GemmTest, IsAsPreciseAsItsType) {
  const at::ScalarType type = GetParam().type;
  const auto sizes = [](std::int64_t rows) { return (Random(rows, 1).to(at::kDouble) * 10).exp(); };
  const at::Tensor x = (Double(Random(64, 600)) * sizes(64)).to(type);
  const at::Tensor weight = (Double(Random(96, 600)) * sizes(96)).to(type);
  const at::Tensor want = at::mm(Double(x), Double(weight).t());
  const at::Tensor magnitude = at::mm(Double(x).abs(), Double(weight).abs().t());
  PackedRows packed(x);
  const at::Tensor error = (Double(Multiply(packed, weight)) - want).abs() / magnitude;
  EXPECT_LT(error.max().item<double>(), type == at::kFloat ? 0x1p-22 : 0x1p-8);
}

TEST_P(GemmTest, DepthOfSeveralParts) {
  constexpr std::int64_t kDepth = 7001;
  for (const std::int64_t rows : {30, 64}) {
    const at::Tensor x = Random(rows, kDepth);
    const at::Tensor weight = Random(40, kDepth);
    PackedRows packed(x);
    EXPECT_LT(Difference(Multiply(packed, weight), at::mm(Double(x), Double(weight).t())),
              Tolerance(kDepth))
        << rows;
  }
}

TEST_P(GemmTest, LowRankProductsReachTheirColumns) {
  const at::Tensor x = Random(50, 40);
  const at::Tensor weight = Random(90, 40);
  const at::Tensor z = Random(50, 11);
  const at::Tensor first = Random(50, 8);   // Columns 0 to 49.
  const at::Tensor second = Random(3, 90);  // All columns, given by its columns.
  const std::vector<LowRankProduct> products = {{z.narrow(1, 0, 8), first, 0, 0.5},
                                                {z.narrow(1, 8, 3), second.t(), 0, 2}};
  at::Tensor want = at::mm(Double(x), Double(weight).t());
  want.narrow(1, 0, 50).add_(at::mm(Double(z.narrow(1, 0, 8)), Double(first).t()) * 0.5);
  want.add_(at::mm(Double(z.narrow(1, 8, 3)), Double(second)) * 2);
  PackedRows packed(x);
  EXPECT_LT(Difference(Multiply(packed, weight, {.low_rank = products}), want), Tolerance(60));
}

TEST_P(GemmTest, SomeColumnsIntoASlice) {
  const at::Tensor x = Random(33, 50);
  const at::Tensor weight = Random(6, 20);
  PackedRows packed(x);
  for (const std::int64_t first : {0, 10, 13, 30}) {
    const at::Tensor out = at::zeros({33, 10}, x.options());
    MultiplyInto(out.narrow(1, 2, 6), packed, weight, {.first_column = first});
    const at::Tensor want = at::mm(Double(x.narrow(1, first, 20)), Double(weight).t());
    EXPECT_LT(Difference(out.narrow(1, 2, 6), want), Tolerance(20)) << first;
    EXPECT_EQ(out.narrow(1, 0, 2).abs().max().item<double>(), 0);
    EXPECT_EQ(out.narrow(1, 8, 2).abs().max().item<double>(), 0);
  }
}

TEST_P(GemmTest, AWeightsOrderDoesNotMatter) {
  struct Shape {
    std::int64_t columns;
    std::int64_t depth;
  };
  // Given by lines along the depth, the first, second and fourth are read as they lie; the third
  // has lines that would all meet in a few places of a cache.
  for (const Shape& shape : {Shape{80, 33}, Shape{176, 1700}, Shape{512, 300}, Shape{336, 200}}) {
    const at::Tensor x = Random(45, shape.depth);
    const at::Tensor weight = Random(shape.columns, shape.depth);
    const LowRankProduct product{Random(45, 8), Random(shape.columns - 30, 8), 30, 0.5};
    const GemmOptions options{.low_rank = {&product, 1}};
    PackedRows packed(x);
    const at::Tensor want = Multiply(packed, weight, options);
    const at::Tensor got = Multiply(packed, weight.t().contiguous().t(), options);
    EXPECT_TRUE(at::equal(got, want)) << shape.columns << " x " << shape.depth;
  }
}

/// To the last bit, and without a look at the weight from the second product on.
TEST_P(GemmTest, KeptPanelsGiveWhatPackedOnesGive) {
  for (const std::int64_t depth : {70, 3100}) {
    const at::Tensor weight = Random(depth, 90).t();
    KeptPanels kept;
    for (const std::int64_t rows : {40, 64, 40}) {
      const at::Tensor x = Random(rows, depth);
      const LowRankProduct low_rank{Random(rows, 5), Random(90, 5)};
      PackedRows once(x);
      PackedRows again(x);
      const at::Tensor want = Multiply(once, weight, {.low_rank = {&low_rank, 1}});
      const at::Tensor got = Multiply(again, weight, {.low_rank = {&low_rank, 1}, .kept = &kept});
      EXPECT_TRUE(at::equal(got, want)) << rows << " rows, depth " << depth;
    }
    const at::Tensor x = Random(40, depth);
    PackedRows once(x);
    PackedRows again(x);
    const at::Tensor want = Multiply(once, weight);
    weight.zero_();
    EXPECT_TRUE(at::equal(Multiply(again, weight, {.kept = &kept}), want)) << "depth " << depth;
  }
}

TEST_P(GemmTest, ARowGetsWhatItGetsAlone) {
  const at::Tensor x = Random(100, 96);
  const at::Tensor weight = Random(64, 96);
  PackedRows packed(x);
  PackedRows few(x.narrow(0, 5, 30));
  EXPECT_TRUE(at::equal(Multiply(packed, weight).narrow(0, 5, 30), Multiply(few, weight)));
}

TEST_P(GemmTest, ThreadsDoNotMatter) {
  // Enough work for several threads, and panels for all of them.
  const at::Tensor x = Random(130, 200);
  const at::Tensor weight = Random(150, 200);
  PackedRows packed(x);
  const at::Tensor want = Multiply(packed, weight);
  const int threads = at::get_num_threads();
  for (const int other : {1, 3}) {
    at::set_num_threads(other);
    PackedRows again(x);
    EXPECT_TRUE(at::equal(Multiply(again, weight), want)) << other;
  }
  at::set_num_threads(threads);
}

TEST_P(GemmTest, OuterProductsAreAdded) {
  std::vector<OuterTerm> terms;
  std::vector<at::Tensor> want;
  for (const std::int64_t rank : {1, 8, 14, 24, 33}) {
    for (const std::int64_t columns : {5, 32, 70}) {
      const at::Tensor left = Random(41, rank + 4).narrow(1, 2, rank);
      const at::Tensor right = Random(41, columns + 3).narrow(1, 3, columns);
      want.push_back(at::mm(Double(left).t(), Double(right)) * 0.5 + 1);
      terms.push_back({left, right, 0.5, at::zeros({rank, columns}, at::kFloat).add_(1)});
      want.push_back(want.back());
      const at::Tensor transposed = at::zeros({columns, rank}, at::kFloat).add_(1);
      terms.push_back({left, right, 0.5, transposed.t()});
    }
  }
  AddOuterProducts(terms);
  for (std::size_t i = 0; i < terms.size(); ++i) {
    EXPECT_LT(Difference(terms[i].gradient, want[i]), 1e-4) << i;
  }
}

/// Both ways round, of slices, and with as many rows as gradients of weights have: those of one
/// token, of some, and of more than a product's depth is cut into.
TEST_P(GemmTest, OuterProductsOfManyRowsAndColumns) {
  for (const std::int64_t rows : {1, 3, 41, 3500}) {
    for (const std::int64_t height : {33, 64, 100}) {
      for (const std::int64_t width : {34, 131}) {
        const at::Tensor left = Random(rows, height + 4).narrow(1, 2, height);
        const at::Tensor right = Random(rows, width + 3).narrow(1, 3, width);
        const at::Tensor start = at::randn({height, width}, at::kFloat);
        const at::Tensor space = at::zeros({height, width + 5}, at::kFloat);
        const at::Tensor gradient = space.narrow(1, 1, width).copy_(start);
        const at::Tensor mirrored = start.t().contiguous();
        const std::vector<OuterTerm> terms = {{left, right, 1, gradient},
                                              {left, right, 1, mirrored.t()}};
        ASSERT_TRUE(HasOuterProduct(terms[0]) && HasOuterProduct(terms[1]));
        AddOuterProducts(terms);
        const at::Tensor want = at::mm(Double(left).t(), Double(right)) + Double(start);
        // Sums are fp32 whatever the type of the operands.
        const double tolerance = 2e-5 * std::sqrt(static_cast<double>(rows + 1));
        EXPECT_LT(Difference(gradient, want), tolerance) << rows << " " << height << " " << width;
        EXPECT_LT(Difference(mirrored.t(), want), tolerance)
            << rows << " " << height << " " << width;
        EXPECT_EQ(space.narrow(1, 0, 1).abs().max().item<double>(), 0);
        EXPECT_EQ(space.narrow(1, width + 1, 4).abs().max().item<double>(), 0);
      }
    }
  }
}

TEST_P(GemmTest, OuterProductsAreTheSameOnAllThreads) {
  const at::Tensor left = Random(130, 5000);
  const at::Tensor right = Random(130, 70);
  const at::Tensor few = Random(130, 9);
  const auto sums = [&] {
    const at::Tensor wide = at::zeros({5000, 70}, at::kFloat).add_(1);
    const at::Tensor narrow = at::zeros({5000, 9}, at::kFloat).add_(1);
    const std::vector<OuterTerm> terms = {{left, right, 1, wide}, {left, few, 1, narrow}};
    AddOuterProducts(terms);
    return at::cat({wide, narrow}, 1);
  };
  const at::Tensor want = sums();
  const at::Tensor exact = at::mm(Double(left).t(), Double(at::cat({right, few}, 1))) + 1;
  EXPECT_LT(Difference(want, exact), 1e-4);
  const int threads = at::get_num_threads();
  for (const int other : {1, 2, 3}) {
    at::set_num_threads(other);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(sums(), want)) << other;
  }
  at::set_num_threads(threads);
}

TEST_P(GemmTest, OuterProductsWantTheirOperandsInRows) {
  const at::Tensor x = Random(41, 50);
  const at::Tensor gradient = at::zeros({50, 50}, at::kFloat);
  EXPECT_TRUE(HasOuterProduct({x, x, 1, gradient}));
  const at::Tensor across = Random(50, 41).t();
  EXPECT_FALSE(HasOuterProduct({across, x, 1, gradient}));
  EXPECT_FALSE(HasOuterProduct({x, across, 1, gradient}));
  EXPECT_FALSE(HasOuterProduct({x, x.to(at::kHalf), 1, gradient}));
}

TEST_P(GemmTest, ProjectionsOfSomeColumns) {
  const at::Tensor x = Random(45, 60);
  const at::Tensor whole = Random(40, 60);
  for (const std::int64_t begin : {20, 21}) {
    const at::Tensor part = Random(30, 7).t();
    const at::Tensor want = at::cat({at::mm(Double(x), Double(whole).t()),
                                     at::mm(Double(x.narrow(1, begin, 30)), Double(part).t()) * 2},
                                    1);
    const std::vector<Projection> projections = {{whole, 0}, {part, begin, 2}};
    PackedRows packed(x);
    EXPECT_LT(Difference(Project(packed, projections), want), Tolerance(60));
    // Now x is packed already.
    EXPECT_LT(Difference(Project(packed, projections), want), Tolerance(60));
    EXPECT_TRUE(at::equal(Multiply(packed, whole), Project(packed, {projections.data(), 1})));
  }
}

TEST_P(GemmTest, BatchesInAnyOrder) {
  const at::Tensor left = Random(3 * 30, 40).view({3, 30, 40});
  const at::Tensor right = Random(3 * 40, 20).view({3, 40, 20});
  const at::Tensor want = at::bmm(Double(left), Double(right));
  const auto mirrored = [](const at::Tensor& x) {
    return x.transpose(1, 2).contiguous().transpose(1, 2);
  };
  for (const at::Tensor& l : {left, mirrored(left)}) {
    for (const at::Tensor& r : {right, mirrored(right)}) {
      EXPECT_LT(Difference(BatchedProduct(l, r), want), Tolerance(40));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sets, GemmTest, KernelSets(), NameOf);

}  // namespace
}  // namespace lathe::trainer::kernels
