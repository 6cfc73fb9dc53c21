// Fused low-rank products against the same in fp64. Tolerances: one rounding of each result where
// it is bf16 or fp16, 1e-5 of the largest value where it is fp32.

#include "worker/trainer/kernels/cuda/low_rank_cuda.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "tests/worker/trainer/kernels/cuda/kernel_device.h"
#include "worker/trainer/kernels/cuda/low_rank_launch.h"
#include "worker/trainer/kernels/cuda/tensor.h"

namespace lathe::trainer::kernels::cuda {
namespace {

class LowRankCudaTest : public KernelTest {
 protected:
  static at::Tensor Random(std::vector<std::int64_t> shape) {
    return There(at::randn(shape, at::kFloat).to(GetParam()));
  }
  static at::Tensor Wide(const at::Tensor& x) { return Back(x).to(at::kDouble); }

  /// Random values inside of a matrix that is NaN around them. `before` columns lie to the left of
  /// them: 8 where they are to lie on 16 bytes.
  static at::Tensor Surrounded(std::int64_t rows, std::int64_t columns, std::int64_t before) {
    const std::int64_t across = (columns + before + 15) / 8 * 8;
    const at::Tensor all = There(
        at::full({rows + 2, across}, std::numeric_limits<double>::quiet_NaN()).to(GetParam()));
    const at::Tensor inside = all.narrow(0, 1, rows).narrow(1, before, columns);
    inside.copy_(Random({rows, columns}));
    return inside;
  }
};
INSTANTIATE_TEST_SUITE_P(Types, LowRankCudaTest, testing::Values(at::kBFloat16, at::kHalf),
                         TypeName);

struct PartCase {
  std::int64_t first_column;
  std::int64_t columns;
  std::int64_t rank;
  double scale;
};
struct ProjectCase {
  std::int64_t rows;
  std::vector<PartCase> parts;
};
const std::vector<ProjectCase>& ProjectCases() {
  static const std::vector<ProjectCase> cases = {
      {1, {{0, 64, 16, 1}}},
      {5, {{0, 8, 1, 2}}},                                        // Less than any tile.
      {150, {{0, 72, 40, 0.3}}},                                  // Two blocks of rows.
      {130, {{0, 600, 5, 0.7}}},                                  // Splits; weights out of pieces.
      {19, {{8, 72, 3, 0.3}, {80, 520, 17, 5}, {8, 40, 64, 1}}},  // Splits of one part alone.
      {33, {{0, 320, 100, 0.3}, {320, 64, 16, 3}}},               // More ranks than a part has.
  };
  return cases;
}

TEST_P(LowRankCudaTest, ProjectsEachPart) {
  const double rounding = GetParam() == at::kHalf ? 0x1p-11 : 0x1p-8;
  for (const auto& [rows, parts] : ProjectCases()) {
    const at::Tensor x = Surrounded(rows, 600, 8);
    for (const bool transposed : {false, true}) {
      std::vector<Projection> projections;
      std::vector<at::Tensor> wants;
      for (const PartCase& part : parts) {
        // Ranks that are multiples of 8 lie in pieces.
        const std::int64_t before = part.rank % 8 == 0 ? 8 : 3;
        const at::Tensor weight = transposed ? Surrounded(part.columns, part.rank, before).t()
                                             : Surrounded(part.rank, part.columns, before);
        projections.push_back({weight, part.first_column, part.scale});
        const at::Tensor columns = Wide(x.narrow(1, part.first_column, part.columns));
        wants.push_back(at::mm(columns, Wide(weight).t()) * part.scale);
      }
      ASSERT_TRUE(Fits(x, projections));
      const at::Tensor want = at::cat(wants, 1);
      at::Tensor first;
      InEitherOrder([&] {
        const at::Tensor z = Project(x, projections);
        ASSERT_EQ(z.sizes(), want.sizes());
        const at::Tensor beyond = (Wide(z) - want).abs() - want.abs() * rounding;
        EXPECT_LT(beyond.max().item<double>(), 1e-4)
            << rows << " rows, " << parts.size() << " parts, " << transposed;
        if (!first.defined()) first = z;
        EXPECT_TRUE(at::equal(z, first));
      });
    }
  }
}

TEST_P(LowRankCudaTest, ProjectsIntoItsOwnMemoryAlone) {
  for (const std::int64_t columns : {std::int64_t{64}, std::int64_t{600}}) {
    const at::Tensor x = Random({21, columns});
    const at::Tensor weight = Random({5, columns});
    const at::Tensor all = There(at::full({23, 5}, 7.0).to(GetParam()));
    const at::Tensor z = all.narrow(0, 1, 21);
    ProjectCall call{};
    call.element = ElementOf(x);
    call.count = 1;
    call.parts[0] = {
        {x.data_ptr(), 21, columns, columns}, {weight.data_ptr(), 5, columns, columns}, 1, 0};
    call.rows = 21;
    call.width = 5;
    call.z = z.data_ptr();
    const std::int64_t floats = ProjectWorkspace(call);
    EXPECT_EQ(floats > 0, columns > 64) << "which of the cases adds up splits";
    const at::Tensor workspace = There(at::full({floats + 2}, 7.0, at::kFloat));
    if (floats > 0) call.workspace = workspace.data_ptr<float>() + 1;
    Enqueue(x, &Project, call);
    EXPECT_FALSE((z == 7).all().item<bool>());
    z.fill_(7);
    EXPECT_TRUE((all == 7).all().item<bool>());
    workspace.narrow(0, 1, floats).fill_(7);
    EXPECT_TRUE((workspace == 7).all().item<bool>());
  }
}

TEST_P(LowRankCudaTest, ProjectionsThatDoNotFitAreLeftToOthers) {
  const auto fits = [](const at::Tensor& x, std::vector<Projection> projections) {
    return Fits(x, projections);
  };
  const at::Tensor x = Random({4, 64});
  EXPECT_TRUE(fits(x, {{Random({192, 64})}}));
  EXPECT_FALSE(fits(x, {{Random({193, 64})}}));
  EXPECT_TRUE(fits(x, {{Random({2, 40}), 8}, {Random({3, 64})}}));
  EXPECT_FALSE(fits(x, {{Random({2, 40}), 8}, {Random({64, 3}).t()}}));
  EXPECT_FALSE(fits(x, {{Random({2, 40}), 4}})) << "not on 16 bytes";
  EXPECT_FALSE(fits(x, {{Random({2, 60})}})) << "not whole pieces";
  EXPECT_FALSE(fits(Random({4, 60}).narrow(1, 0, 56), {{Random({2, 56})}}));
  EXPECT_FALSE(fits(x, {{Random({2, 64}).to(at::kFloat)}}));
  EXPECT_FALSE(fits(x.to(at::kFloat), {{Random({2, 64}).to(at::kFloat)}}));
  EXPECT_FALSE(fits(x, std::vector<Projection>(17, {Random({2, 64})})));
  EXPECT_FALSE(fits(x, {}));
  EXPECT_EQ(Project(Random({0, 64}), std::vector<Projection>{{Random({2, 64})}}).size(1), 2);
}

struct OuterCase {
  std::int64_t rank;
  std::int64_t columns;
  double scale;
  bool mirrored;
  bool swapped;  ///< the wide operand is the left one
};
const std::vector<OuterCase>& OuterCases() {
  static const std::vector<OuterCase> cases = {
      {16, 64, 1, false, false},  {3, 136, 0.3, true, false},   // Two strips.
      {17, 24, 2, false, true},   {100, 128, 0.5, true, true},  // More ranks than a part has.
      {64, 264, 1, false, false}, {1, 16, 1, true, false},
  };
  return cases;
}

/// A term whose gradient is a part of `all`, between other values.
OuterTerm TermOf(const OuterCase& c, const at::Tensor& narrow, const at::Tensor& wide,
                 const at::Tensor& all) {
  const at::Tensor inside = all.narrow(0, 1, all.size(0) - 2).narrow(1, 2, all.size(1) - 5);
  const at::Tensor gradient = c.mirrored ? inside.t() : inside;
  if (c.swapped) return {wide, narrow, c.scale, gradient.t()};
  return {narrow, wide, c.scale, gradient};
}

TEST_P(LowRankCudaTest, AddsOuterProductsOfAllTermsAtOnce) {
  // One split of the rows and two, the last one short.
  for (const std::int64_t rows : {std::int64_t{7}, std::int64_t{300}}) {
    std::vector<at::Tensor> before;
    std::vector<at::Tensor> narrow;
    std::vector<at::Tensor> wide;
    for (const OuterCase& c : OuterCases()) {
      const std::int64_t high = (c.mirrored ? c.columns : c.rank) + 2;
      const std::int64_t across = (c.mirrored ? c.rank : c.columns) + 5;
      before.push_back(at::randn({high, across}, at::kFloat));
      narrow.push_back(Surrounded(rows, c.rank, c.rank % 8 == 0 ? 8 : 5));
      wide.push_back(Surrounded(rows, c.columns, 16));
    }
    std::vector<at::Tensor> first;
    InEitherOrder([&] {
      std::vector<at::Tensor> after;
      std::vector<OuterTerm> terms;
      for (std::size_t i = 0; i < before.size(); ++i) {
        after.push_back(There(before[i]));
        terms.push_back(TermOf(OuterCases()[i], narrow[i], wide[i], after[i]));
      }
      ASSERT_TRUE(Fits(terms));
      cuda::AddOuterProducts(terms);
      for (std::size_t i = 0; i < before.size(); ++i) {
        const at::Tensor want = before[i].to(at::kDouble);
        const OuterTerm term = TermOf(OuterCases()[i], narrow[i], wide[i], want);
        term.gradient.add_(at::mm(Wide(term.left).t(), Wide(term.right)), term.scale);
        const double distance = (Wide(after[i]) - want).abs().max().item<double>();
        EXPECT_LT(distance, 1e-5 * want.abs().max().item<double>()) << rows << " rows, term " << i;
        // What lies around the gradient.
        TermOf(OuterCases()[i], narrow[i], wide[i], want).gradient.fill_(0);
        const at::Tensor around = Wide(after[i]);
        TermOf(OuterCases()[i], narrow[i], wide[i], around).gradient.fill_(0);
        EXPECT_TRUE(at::equal(around, want)) << "term " << i;
      }
      if (first.empty()) first = after;
      for (std::size_t i = 0; i < after.size(); ++i) EXPECT_TRUE(at::equal(after[i], first[i]));
    });
  }
}

TEST_P(LowRankCudaTest, TermsThatDoNotFitAreLeftToOthers) {
  const auto fits = [](const at::Tensor& left, const at::Tensor& right) {
    const at::Tensor gradient = There(at::zeros({left.size(1), right.size(1)}, at::kFloat));
    const std::vector<OuterTerm> terms = {{left, right, 1, gradient}};
    return Fits(terms);
  };
  EXPECT_TRUE(fits(Random({4, 192}), Random({4, 200})));
  EXPECT_TRUE(fits(Random({4, 200}), Random({4, 192})));
  EXPECT_FALSE(fits(Random({4, 193}), Random({4, 200})));
  EXPECT_FALSE(fits(Random({4, 3}), Random({4, 20})));
  EXPECT_FALSE(fits(Random({3, 4}).t(), Random({4, 16})));
  EXPECT_FALSE(fits(Random({4, 3}).to(at::kFloat), Random({4, 16}).to(at::kFloat)));
  EXPECT_FALSE(Fits(std::span<const OuterTerm>()));
  const at::Tensor gradient = There(at::full({2, 16}, 3.0, at::kFloat));
  const std::vector<OuterTerm> nothing = {{Random({0, 2}), Random({0, 16}), 1, gradient}};
  cuda::AddOuterProducts(nothing);
  EXPECT_TRUE((gradient == 3).all().item<bool>());
}

}  // namespace
}  // namespace lathe::trainer::kernels::cuda
