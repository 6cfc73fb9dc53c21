// Each operation on the CPU against the plain formula in fp64, in fp32 and bf16, at sizes that do
// and do not fill vectors.

#include "worker/trainer/kernels/ops.h"

#include <ATen/Context.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

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

INSTANTIATE_TEST_SUITE_P(Types, OpsTest, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& type) {
                           return type.param == at::kFloat ? "fp32" : "bf16";
                         });

double MeanSquare(const Row& x) {
  double sum = 0;
  for (const double v : x) sum += v * v;
  return sum / static_cast<double>(x.size());
}

TEST_P(OpsTest, RmsNorm) {
  constexpr double kEpsilon = 1e-5;
  for (const std::int64_t size : kSizes) {
    const at::Tensor x = Random(kRows, size);
    const at::Tensor weight = Random(1, size).reshape({size});
    const RmsNormResult result = RmsNorm(x, weight, kEpsilon);
    Rows want = ToRows(x);
    const Row w = ToRows(weight)[0];
    for (std::size_t r = 0; r < want.size(); ++r) {
      const double rstd = 1 / std::sqrt(MeanSquare(want[r]) + kEpsilon);
      EXPECT_NEAR(result.rstd[static_cast<std::int64_t>(r)].item<float>(), rstd, 1e-5 * rstd);
      for (std::size_t i = 0; i < w.size(); ++i) want[r][i] *= rstd * w[i];
    }
    ExpectNear(result.y, want);
    EXPECT_EQ(result.y.scalar_type(), GetParam());
  }
}

TEST_P(OpsTest, RmsNormOfZerosIsZero) {
  const at::Tensor x = Random(1, 33).zero_();
  const RmsNormResult result = RmsNorm(x, Random(1, 33).reshape({33}), 1e-6);
  ExpectNear(result.y, {Row(33, 0.0)});
}

TEST_P(OpsTest, RmsNormBackwardAddsTheGradient) {
  constexpr double kEpsilon = 1e-5;
  for (const std::int64_t size : kSizes) {
    const at::Tensor x = Random(kRows, size);
    const at::Tensor weight = Random(1, size).reshape({size});
    const at::Tensor dy = Random(kRows, size);
    at::Tensor dx = Random(kRows, size);
    const Rows before = ToRows(dx);
    AddRmsNormBackward(dy, x, weight, RmsNorm(x, weight, kEpsilon).rstd, dx);
    const Rows xs = ToRows(x);
    const Rows dys = ToRows(dy);
    const Row w = ToRows(weight)[0];
    Rows want = before;
    for (std::size_t r = 0; r < xs.size(); ++r) {
      const double rstd = 1 / std::sqrt(MeanSquare(xs[r]) + kEpsilon);
      double projection = 0;
      for (std::size_t i = 0; i < w.size(); ++i) projection += dys[r][i] * w[i] * xs[r][i] * rstd;
      projection /= static_cast<double>(w.size());
      for (std::size_t i = 0; i < w.size(); ++i) {
        want[r][i] += rstd * (dys[r][i] * w[i] - xs[r][i] * rstd * projection);
      }
    }
    ExpectNear(dx, want, 4);  // A width of 1 cancels nearly everything.
  }
}

TEST_P(OpsTest, RopeTurnsTheFirstHeadsAndTurnsThemBack) {
  for (const std::int64_t half : {1, 4, 8, 17, 32}) {
    const std::int64_t heads = 3;
    const std::int64_t width = heads * 2 * half + 5;  // What is behind the heads stays.
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
          const std::size_t first = h * 2 * static_cast<std::size_t>(half) + i;
          const std::size_t second = first + static_cast<std::size_t>(half);
          const double c = std::cos(angle[r][i]);
          const double s = std::sin(angle[r][i]);
          want[r][first] = before[r][first] * c - before[r][second] * s;
          want[r][second] = before[r][second] * c + before[r][first] * s;
        }
      }
    }
    ApplyRope(x, heads, cosine, sine, Rotation::kForward);
    ExpectNear(x, want);
    ApplyRope(x, heads, cosine, sine, Rotation::kInverse);
    ExpectNear(x, before, 2);
  }
}

TEST_P(OpsTest, SwiGluAndItsGradient) {
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
        const double sigmoid = 1 / (1 + std::exp(-gate));
        want[r][i] = Silu(gate) * up;
        want_gradient[r][i] = d[r][i] * up * sigmoid * (1 + gate * (1 - sigmoid));
        want_gradient[r][n + i] = d[r][i] * Silu(gate);
      }
    }
    ExpectNear(SwiGlu(gate_up), want);
    ExpectNear(SwiGluBackward(dout, gate_up), want_gradient, 2);
  }
}

TEST_P(OpsTest, SwiGluOfLargeGatesStaysFinite) {
  at::Tensor gate_up = at::empty({1, 6}, at::kFloat);
  const float values[] = {200, -200, 0, 1, 1, 1};
  std::copy(std::begin(values), std::end(values), gate_up.data_ptr<float>());
  ExpectNear(SwiGlu(gate_up.to(GetParam())), {{200, 0, 0}});
}

/// softmax(scale * scores) over keys 0 .. last, 0 behind.
Row SoftmaxRow(const Row& scores, std::size_t last, double scale) {
  Row p(scores.size(), 0.0);
  double largest = -1e300;
  for (std::size_t i = 0; i <= last; ++i) largest = std::max(largest, scores[i] * scale);
  double sum = 0;
  for (std::size_t i = 0; i <= last; ++i) sum += p[i] = std::exp(scores[i] * scale - largest);
  for (double& v : p) v /= sum;
  return p;
}

TEST_P(OpsTest, CausalSoftmaxSeesNothingOfTheFuture) {
  for (const std::int64_t queries : {1, 5, 16, 33}) {
    for (const std::int64_t first : {0, 3}) {
      const std::int64_t keys = first + queries;
      const std::int64_t groups = 2;  // Query heads that share keys lie one behind the other.
      at::Tensor scores = at::randn({2, groups * queries, keys}, at::kFloat).mul_(8);
      scores = scores.to(GetParam());
      Rows want = ToRows(scores);
      for (std::size_t r = 0; r < want.size(); ++r) {
        const std::size_t query = r % static_cast<std::size_t>(queries);
        want[r] = SoftmaxRow(want[r], query + static_cast<std::size_t>(first), 0.3);
      }
      CausalSoftmax(scores, {.queries = queries, .first = first}, 0.3);
      ExpectNear(scores, want);
    }
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

TEST_P(OpsTest, CrossEntropyAndItsGradient) {
  for (const std::int64_t size : kSizes) {
    at::Tensor logits = Random(kRows, size).mul_(6);
    at::Tensor targets = at::empty({kRows}, at::kLong);
    for (std::int64_t r = 0; r < kRows; ++r) targets[r] = (r * 5 + 2) % size;
    Rows want = ToRows(logits);
    double loss = 0;
    for (std::size_t r = 0; r < want.size(); ++r) {
      const auto target =
          static_cast<std::size_t>(targets[static_cast<std::int64_t>(r)].item<std::int64_t>());
      Row p = SoftmaxRow(want[r], want[r].size() - 1, 1);
      double largest = want[r][0];
      for (const double v : want[r]) largest = std::max(largest, v);
      double sum = 0;
      for (const double v : want[r]) sum += std::exp(v - largest);
      loss += largest + std::log(sum) - want[r][target];
      p[target] -= 1;
      for (double& v : p) v *= 0.5;
      want[r] = p;
    }
    const Rows before = ToRows(logits);
    EXPECT_NEAR(CrossEntropy(logits, targets, 0), loss, 1e-5 * std::max(1.0, loss));
    EXPECT_EQ(ToRows(logits), before);  // Without a gradient nothing changes.
    EXPECT_NEAR(CrossEntropy(logits, targets, 0.5), loss, 1e-5 * std::max(1.0, loss));
    ExpectNear(logits, want);
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

TEST_P(OpsTest, NoRowsAreFine) {
  const at::Tensor none = Random(0, 8);
  EXPECT_EQ(RmsNorm(none, Random(1, 8).reshape({8}), 1e-6).y.size(0), 0);
  EXPECT_EQ(SwiGlu(none).size(1), 4);
  at::Tensor logits = Random(0, 8);
  EXPECT_EQ(CrossEntropy(logits, at::empty({0}, at::kLong), 1), 0);
}

}  // namespace
}  // namespace lathe::trainer::kernels
