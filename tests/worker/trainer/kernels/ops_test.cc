// Each operation on the CPU against the plain formula in fp64, in fp32 and bf16, at sizes that do
// and do not fill vectors.

#include "worker/trainer/kernels/ops.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "worker/trainer/kernels/cross_entropy.h"

namespace lathe::trainer::kernels {
namespace {

constexpr std::int64_t kSizes[] = {1, 2, 7, 16, 31, 33, 64, 129};
constexpr std::int64_t kRows = 3;

using Row = std::vector<double>;
using Rows = std::vector<Row>;

Rows ToRows(const at::Tensor& tensor) {
  const at::Tensor wide = tensor.to(at::kDouble).contiguous().reshape({-1, tensor.size(-1)});
  Rows rows;
  for (std::int64_t r = 0; r < wide.size(0); ++r) {
    const double* begin = wide.data_ptr<double>() + r * wide.size(1);
    rows.emplace_back(begin, begin + wide.size(1));
  }
  return rows;
}

double Silu(double x) {
  return x / (1 + std::exp(-x));
}

class OpsTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(5);
  }

  at::Tensor Random(std::int64_t rows, std::int64_t columns) const {
    return at::randn({rows, columns}, at::kFloat).to(GetParam());
  }
  /// bf16 keeps 8 bits: a result may be half a unit in the last place off, sums a little more.
  double Tolerance() const { return GetParam() == at::kFloat ? 2e-6 : 5e-3; }

  void ExpectNear(const at::Tensor& got, const Rows& want, double factor = 1) const {
    const Rows rows = ToRows(got);
    ASSERT_EQ(rows.size(), want.size());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      ASSERT_EQ(rows[r].size(), want[r].size());
      for (std::size_t i = 0; i < rows[r].size(); ++i) {
        const double allowed = factor * Tolerance() * std::max(1.0, std::fabs(want[r][i]));
        ASSERT_NEAR(rows[r][i], want[r][i], allowed)
            << "row " << r << " of " << rows.size() << ", column " << i << " of " << rows[r].size();
      }
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Types, OpsTest, testing::Values(at::kFloat, at::kBFloat16, at::kHalf),
                         [](const auto& type) {
                           if (type.param == at::kFloat) return "fp32";
                           return type.param == at::kHalf ? "fp16" : "bf16";
                         });

constexpr double kEpsilon = 1e-5;

double MeanSquare(const Row& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return sum / static_cast<double>(x.size());
}

TEST_P(OpsTest, RmsNorm) {
  for (const std::int64_t size : kSizes) {
    const at::Tensor x = Random(kRows, size);
    const at::Tensor weight = Random(1, size).reshape({size});
    for (const double offset : {0.0, 1.0}) {
      const RmsNormResult result = RmsNorm(x, {weight, kEpsilon, offset});
      Rows want = ToRows(x);
      const Row w = ToRows(weight)[0];
      for (std::size_t r = 0; r < want.size(); ++r) {
        const double rstd = 1 / std::sqrt(MeanSquare(want[r]) + kEpsilon);
        EXPECT_NEAR(result.rstd[static_cast<std::int64_t>(r)].item<float>(), rstd, 1e-5 * rstd);
        for (std::size_t i = 0; i < w.size(); ++i) want[r][i] *= rstd * (offset + w[i]);
      }
      ExpectNear(result.y, want, 2);
      EXPECT_EQ(result.y.scalar_type(), GetParam());
    }
  }
}

TEST_P(OpsTest, RmsNormOfZerosIsZero) {
  const at::Tensor x = Random(1, 33).zero_();
  const RmsNormResult result = RmsNorm(x, {Random(1, 33).reshape({33}), 1e-6});
  ExpectNear(result.y, {Row(33, 0.0)});
}

/// What the norm's backward pass adds to the gradient of one row.
Row NormGradient(const Row& x, const Row& dy, const Row& weight, double offset) {
  const double rstd = 1 / std::sqrt(MeanSquare(x) + kEpsilon);
  double projection = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    projection += dy[i] * (offset + weight[i]) * x[i] * rstd;
  }
  projection /= static_cast<double>(x.size());
  Row gradient(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    gradient[i] = rstd * (dy[i] * (offset + weight[i]) - x[i] * rstd * projection);
  }
  return gradient;
}

TEST_P(OpsTest, RmsNormBackwardAddsTheGradient) {
  for (const std::int64_t size : kSizes) {
    const at::Tensor x = Random(kRows, size);
    const at::Tensor dy = Random(kRows, size);
    const Norm norm{Random(1, size).reshape({size}), kEpsilon, size % 2 == 0 ? 1.0 : 0.0};
    at::Tensor dx = Random(kRows, size);
    Rows want = ToRows(dx);
    AddRmsNormBackward(dy, x, norm, RmsNorm(x, norm).rstd, dx);
    for (std::size_t r = 0; r < want.size(); ++r) {
      const Row gradient =
          NormGradient(ToRows(x)[r], ToRows(dy)[r], ToRows(norm.weight)[0], norm.offset);
      for (std::size_t i = 0; i < gradient.size(); ++i) want[r][i] += gradient[i];
    }
    ExpectNear(dx, want, 4);  // A width of 1 cancels nearly everything.
  }
}

/// One head of a row.
Row Head(const Row& row, std::size_t begin, std::size_t size) {
  const auto first = row.begin() + static_cast<std::ptrdiff_t>(begin);
  return {first, first + static_cast<std::ptrdiff_t>(size)};
}

TEST_P(OpsTest, HeadsAreNormedOneByOneAndTheirGradientsToo) {
  const HeadSpan span{.begin = 5, .count = 3, .head_dim = 16};
  at::Tensor x = Random(kRows, 60);  // What is in front of the span and behind it stays.
  const at::Tensor before = x.clone();
  at::Tensor d = Random(kRows, 60);
  const Norm norm{Random(1, 16).reshape({16}), kEpsilon, 1.0};
  Rows want = ToRows(x);
  Rows want_gradient = ToRows(d);
  const Row weight = ToRows(norm.weight)[0];
  for (std::size_t r = 0; r < want.size(); ++r) {
    for (std::size_t begin = 5; begin < 5 + 48; begin += 16) {
      const Row head = Head(want[r], begin, 16);
      const Row gradient = NormGradient(head, Head(want_gradient[r], begin, 16), weight, 1.0);
      const double rstd = 1 / std::sqrt(MeanSquare(head) + kEpsilon);
      for (std::size_t i = 0; i < 16; ++i) {
        want[r][begin + i] = head[i] * rstd * (1 + weight[i]);
        want_gradient[r][begin + i] = gradient[i];
      }
    }
  }
  const at::Tensor rstd = NormHeads(x, span, norm);
  EXPECT_EQ(rstd.sizes(), (std::vector<std::int64_t>{kRows, 3}));
  ExpectNear(x, want, 2);
  NormHeadsBackward(d, before, span, norm, rstd);
  ExpectNear(d, want_gradient, 4);
}

TEST_P(OpsTest, RopeTurnsTheFirstHeadsAndTurnsThemBack) {
  for (const std::int64_t half : {1, 4, 8, 17, 32}) {
    // What is behind the heads stays, and in each what is behind the part that turns.
    const HeadSpan span{.begin = 0, .count = 3, .head_dim = 2 * half + 2};
    const std::int64_t width = span.count * span.head_dim + 5;
    at::Tensor x = Random(kRows, width);
    const Rows before = ToRows(x);
    const at::Tensor angles = at::randn({kRows, half}, at::kFloat).mul_(3);
    const at::Tensor cosine = angles.cos();
    const at::Tensor sine = angles.sin();
    const Rows angle = ToRows(angles);
    Rows want = before;
    for (std::size_t r = 0; r < want.size(); ++r) {
      for (std::size_t h = 0; h < 3; ++h) {
        for (std::size_t i = 0; i < static_cast<std::size_t>(half); ++i) {
          const std::size_t first = h * static_cast<std::size_t>(span.head_dim) + i;
          const std::size_t second = first + static_cast<std::size_t>(half);
          const double c = std::cos(angle[r][i]);
          const double s = std::sin(angle[r][i]);
          want[r][first] = before[r][first] * c - before[r][second] * s;
          want[r][second] = before[r][second] * c + before[r][first] * s;
        }
      }
    }
    ApplyRope(x, span, cosine, sine, Rotation::kForward);
    ExpectNear(x, want);
    ApplyRope(x, span, cosine, sine, Rotation::kInverse);
    ExpectNear(x, before, 2);
  }
}

double Gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

/// The slope of a function by central differences.
template <class Function>
double Slope(const Function& function, double x) {
  constexpr double kStep = 1e-5;
  return (function(x + kStep) - function(x - kStep)) / (2 * kStep);
}

TEST_P(OpsTest, GatedActivationsAndTheirGradients) {
  for (const auto& [activation, function] :
       {std::pair{Activation::kSilu, &Silu}, std::pair{Activation::kGeluTanh, &Gelu}}) {
    for (const std::int64_t size : kSizes) {
      const at::Tensor gate_up = Random(kRows, 2 * size).mul_(4);
      const at::Tensor dout = Random(kRows, size);
      const Rows in = ToRows(gate_up);
      const Rows d = ToRows(dout);
      const auto n = static_cast<std::size_t>(size);
      Rows want(in.size(), Row(n));
      Rows want_gradient(in.size(), Row(2 * n));
      for (std::size_t r = 0; r < in.size(); ++r) {
        for (std::size_t i = 0; i < n; ++i) {
          const double gate = in[r][i];
          const double up = in[r][n + i];
          want[r][i] = function(gate) * up;
          want_gradient[r][i] = d[r][i] * up * Slope(function, gate);
          want_gradient[r][n + i] = d[r][i] * function(gate);
        }
      }
      ExpectNear(Gated(activation, gate_up), want);
      ExpectNear(GatedBackward(activation, dout, gate_up), want_gradient, 2);
    }
  }
}

TEST_P(OpsTest, GatedActivationsOfLargeGatesStayFinite) {
  at::Tensor gate_up = at::empty({1, 6}, at::kFloat);
  const float values[] = {200, -200, 0, 1, 1, 1};
  std::copy(std::begin(values), std::end(values), gate_up.data_ptr<float>());
  for (const Activation activation : {Activation::kSilu, Activation::kGeluTanh}) {
    ExpectNear(Gated(activation, gate_up.to(GetParam())), {{200, 0, 0}});
  }
}

double Capped(double x, double cap) {
  return cap > 0 ? cap * std::tanh(x / cap) : x;
}

/// softmax(cap(scale * scores)) over keys first .. last, 0 elsewhere.
Row SoftmaxRow(const Row& scores, std::size_t first, std::size_t last,
               const ScoreScaling& scaling) {
  Row p(scores.size(), 0.0);
  double largest = -1e300;
  const auto map = [&](std::size_t i) { return Capped(scores[i] * scaling.scale, scaling.cap); };
  for (std::size_t i = first; i <= last; ++i) largest = std::max(largest, map(i));
  double sum = 0;
  for (std::size_t i = first; i <= last; ++i) sum += p[i] = std::exp(map(i) - largest);
  for (double& v : p) v /= sum;
  return p;
}

TEST_P(OpsTest, CausalSoftmaxSeesNothingOfTheFutureNorBeforeItsWindow) {
  for (const std::int64_t queries : {1, 5, 16, 33}) {
    for (const auto& [first, window] : {std::pair{0, 0}, {3, 0}, {0, 4}, {3, 4}, {3, 1}}) {
      // Keys before first_key are not there at all.
      const std::int64_t first_key = window == 0 ? 0 : std::max(0, first - window + 1);
      const std::int64_t keys = first + queries - first_key;
      const std::int64_t groups = 2;  // Query heads that share keys lie one behind the other.
      const ScoreScaling scaling{.scale = 0.3, .cap = window == 4 ? 1.5 : 0.0};
      at::Tensor scores = at::randn({2, groups * queries, keys}, at::kFloat).mul_(8);
      scores = scores.to(GetParam());
      Rows want = ToRows(scores);
      for (std::size_t r = 0; r < want.size(); ++r) {
        const auto own = static_cast<std::int64_t>(r) % queries + first - first_key;
        const std::int64_t begin = window == 0 ? 0 : std::max<std::int64_t>(0, own - window + 1);
        want[r] = SoftmaxRow(want[r], static_cast<std::size_t>(begin),
                             static_cast<std::size_t>(own), scaling);
      }
      CausalSoftmax(scores,
                    {.queries = queries, .first = first, .first_key = first_key, .window = window},
                    scaling);
      ExpectNear(scores, want);
    }
  }
}

TEST_P(OpsTest, TheCapsSlope) {
  for (const std::int64_t size : kSizes) {
    const ScoreScaling scaling{.scale = 0.5, .cap = 2};
    const at::Tensor scores = Random(kRows, size).mul_(4).unsqueeze(0);
    at::Tensor d = Random(kRows, size).unsqueeze(0).contiguous();
    const Rows raw = ToRows(scores);
    Rows want = ToRows(d);
    for (std::size_t r = 0; r < want.size(); ++r) {
      for (std::size_t i = 0; i < want[r].size(); ++i) {
        want[r][i] *= Slope([](double x) { return Capped(x, 2); }, raw[r][i] * 0.5);
      }
    }
    SoftCapBackward(scores, d, scaling);
    ExpectNear(d, want);
  }
}

TEST_P(OpsTest, SoftmaxBackward) {
  for (const std::int64_t size : kSizes) {
    const at::Tensor p = Random(kRows, size).softmax(-1).unsqueeze(0).contiguous();
    at::Tensor dp = Random(kRows, size).unsqueeze(0).contiguous();
    const Rows ps = ToRows(p);
    Rows want = ToRows(dp);
    for (std::size_t r = 0; r < want.size(); ++r) {
      double sum = 0;
      for (std::size_t i = 0; i < want[r].size(); ++i) sum += ps[r][i] * want[r][i];
      for (std::size_t i = 0; i < want[r].size(); ++i) {
        want[r][i] = ps[r][i] * (want[r][i] - sum) * 0.7;
      }
    }
    SoftmaxBackward(p, dp, 0.7);
    ExpectNear(dp, want);
  }
}

/// The sum of the rows' losses; with a scale of 0 the logits stay.
double CrossEntropy(at::Tensor& logits, const at::Tensor& targets, double scale, double cap = 0) {
  const at::Tensor scales =
      scale == 0 ? at::Tensor() : at::full({logits.size(0)}, scale, at::kFloat);
  return CrossEntropyRows(logits, targets, scales, cap).losses.sum(at::kDouble).item<double>();
}

/// The loss of one row, which becomes its gradient times 0.5.
double CrossEntropyRow(Row& logits, std::size_t target, double cap) {
  const std::size_t last = logits.size() - 1;
  Row p = SoftmaxRow(logits, 0, last, {.scale = 1, .cap = cap});
  const double loss = -std::log(p[target]);
  p[target] -= 1;
  for (std::size_t i = 0; i <= last; ++i) {
    const double slope = Slope([&](double x) { return Capped(x, cap); }, logits[i]);
    logits[i] = p[i] * 0.5 * slope;
  }
  return loss;
}

TEST_P(OpsTest, CrossEntropyAndItsGradient) {
  for (const std::int64_t size : kSizes) {
    for (const double cap : {0.0, 4.0}) {
      at::Tensor logits = Random(kRows, size).mul_(6);
      at::Tensor targets = at::empty({kRows}, at::kLong);
      Rows want = ToRows(logits);
      double loss = 0;
      for (std::int64_t r = 0; r < kRows; ++r) {
        const std::int64_t target = (r * 5 + 2) % size;
        targets[r] = target;
        loss += CrossEntropyRow(want[static_cast<std::size_t>(r)], static_cast<std::size_t>(target),
                                cap);
      }
      const Rows before = ToRows(logits);
      EXPECT_NEAR(CrossEntropy(logits, targets, 0, cap), loss, 1e-5 * std::max(1.0, loss));
      EXPECT_EQ(ToRows(logits), before);  // Without a gradient nothing changes.
      EXPECT_NEAR(CrossEntropy(logits, targets, 0.5, cap), loss, 1e-5 * std::max(1.0, loss));
      ExpectNear(logits, want);
    }
  }
}

TEST_P(OpsTest, CrossEntropyOfLargeLogitsStaysFinite) {
  at::Tensor logits = at::empty({1, 3}, at::kFloat);
  const float values[] = {1000, -1000, 0};
  std::copy(std::begin(values), std::end(values), logits.data_ptr<float>());
  logits = logits.to(GetParam());
  at::Tensor targets = at::empty({1}, at::kLong).fill_(2);
  EXPECT_NEAR(CrossEntropy(logits, targets, 1), 1000, 1e-6);
  ExpectNear(logits, {{1, 0, -1}});
}

TEST(Float16Test, EveryNumberSurvivesARotationByNothing) {
  // Infinities and NaNs aside: 0 times them is no number.
  constexpr std::int64_t kNumbers = 0x7C00;
  at::Tensor x = at::empty({2, kNumbers}, at::kHalf);
  auto* bits = static_cast<std::uint16_t*>(x.data_ptr());
  for (std::int64_t i = 0; i < kNumbers; ++i) {
    bits[i] = static_cast<std::uint16_t>(i);
    bits[kNumbers + i] = static_cast<std::uint16_t>(i | 0x8000);
  }
  const at::Tensor before = x.clone();
  const at::Tensor angles = at::empty({2, kNumbers / 2}, at::kFloat);
  ApplyRope(x, {0, 1, kNumbers}, angles.fill_(1), at::empty_like(angles).fill_(0),
            Rotation::kForward);
  const auto* expected = static_cast<const std::uint16_t*>(before.data_ptr());
  for (std::int64_t i = 1; i < kNumbers; ++i) {
    ASSERT_EQ(bits[i], expected[i]);
    ASSERT_EQ(bits[kNumbers + i], expected[kNumbers + i]);
  }
  // Rounding: beyond the largest number, half of the smallest one, a tie to even.
  const at::Tensor factors = at::empty({1, 1}, at::kFloat);
  const auto scaled = [&](float value, float factor) {
    at::Tensor pair = at::empty({1, 2}, at::kHalf).fill_(value);
    ApplyRope(pair, {0, 1, 2}, factors.fill_(factor), at::empty_like(factors).fill_(0),
              Rotation::kForward);
    return pair[0][0].item<float>();
  };
  EXPECT_EQ(scaled(65504, 1.001F), std::numeric_limits<float>::infinity());
  EXPECT_EQ(scaled(0x1p-24F, 0.5F), 0);
  EXPECT_EQ(scaled(0x1p-24F, 0.75F), 0x1p-24F);
  EXPECT_EQ(scaled(1, 1 + 0x1p-11F), 1);
  EXPECT_EQ(scaled(1, 1 + 0x3p-11F), 1 + 0x1p-9F);
}

TEST_P(OpsTest, NoRowsAreFine) {
  const at::Tensor none = Random(0, 8);
  EXPECT_EQ(RmsNorm(none, {Random(1, 8).reshape({8})}).y.size(0), 0);
  EXPECT_EQ(Gated(Activation::kSilu, none).size(1), 4);
  at::Tensor logits = Random(0, 8);
  EXPECT_EQ(CrossEntropy(logits, at::empty({0}, at::kLong), 1), 0);
}

}  // namespace
}  // namespace lathe::trainer::kernels
