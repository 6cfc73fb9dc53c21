#include "worker/trainer/adapters/dora.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>
#include <functional>

namespace lathe::trainer::adapters {
namespace {

/// A weight's rows as fp32, a few at a time: the first one's number, and the rows.
void ForRows(const model::FusedLinear& linear, at::ScalarType type,
             const std::function<void(std::int64_t, const at::Tensor&)>& body) {
  constexpr std::int64_t kElements = 1 << 22;
  const at::Tensor weight = model::DenseWeight(linear, type);
  const std::int64_t step = std::max<std::int64_t>(1, kElements / weight.size(1));
  for (std::int64_t begin = 0; begin < weight.size(0); begin += step) {
    const std::int64_t count = std::min(step, weight.size(0) - begin);
    body(begin, weight.narrow(0, begin, count).to(at::kFloat));
  }
}

/// One part of a fused layer as a layer of its own; it shares the weight.
model::FusedLinear Alone(const model::FusedLinear& linear, std::size_t index) {
  const model::LinearPart& part = linear.parts[index];
  model::FusedLinear alone;
  alone.weight = linear.weight.narrow(0, part.begin, part.size);
  alone.parts = {{part.name, 0, part.size}};
  alone.scratch = linear.scratch;
  if (!linear.quantized.empty()) alone.quantized = {linear.quantized[index]};
  return alone;
}

}  // namespace

DoraNorms::DoraNorms(const model::FusedLinear& linear, std::size_t part,
                     at::ScalarType compute_type)
    : part_(linear.parts[part]), linear_(Alone(linear, part)), compute_type_(compute_type) {
  ForRows(linear_, compute_type_, [&](std::int64_t begin, const at::Tensor& rows) {
    if (!squares_.defined()) squares_ = at::empty({part_.size}, rows.options());
    squares_.narrow(0, begin, rows.size(0)).copy_(rows.square().sum(1));
  });
}

// ||w + s b A||^2 = ||w||^2 + 2 s b . (A w) + s^2 b (A A^T) b for each row w of W and b of B.
at::Tensor DoraNorms::Of(const at::Tensor& a, const at::Tensor& b, double scale) const {
  at::Tensor squares = squares_.clone();
  ForRows(linear_, compute_type_, [&](std::int64_t begin, const at::Tensor& rows) {
    const at::Tensor product = at::mm(rows, a.t()).mul_(b.narrow(0, begin, rows.size(0)));
    squares.narrow(0, begin, rows.size(0)).add_(product.sum(1), 2 * scale);
  });
  squares.add_(at::mm(b, at::mm(a, a.t())).mul_(b).sum(1), scale * scale);
  // A row of zeros has no direction; any positive norm leaves it as it is.
  return squares.clamp_min_(1e-30).sqrt_();
}

}  // namespace lathe::trainer::adapters
