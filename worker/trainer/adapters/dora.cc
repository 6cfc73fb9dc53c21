#include "worker/trainer/adapters/dora.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <functional>

#include "worker/trainer/model/product.h"

namespace lathe::trainer::adapters {
namespace {

/// A weight's rows as fp32, as many at a time as stay in a cache: the first one's number, and the
/// rows.
void ForRows(const model::FusedLinear& linear, at::ScalarType type,
             const std::function<void(std::int64_t, const at::Tensor&)>& body) {
  constexpr std::int64_t kElements = 1 << 18;
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

DoraNorms::DoraNorms(const model::Decoder& decoder, std::vector<Place> places)
    : places_(std::move(places)), compute_type_(decoder.dtype()) {
  if (decoder.source) {
    in_parts_ = &decoder;
  } else {
    for (const Place& place : places_) {
      linears_.push_back(Alone(model::LinearAt(decoder, place.group), place.part));
    }
  }
  Visit([&](std::size_t, const model::FusedLinear& linear) {
    at::Tensor squares;
    ForRows(linear, compute_type_, [&](std::int64_t begin, const at::Tensor& rows) {
      if (!squares.defined()) squares = at::empty({linear.weight.size(0)}, rows.options());
      squares.narrow(0, begin, rows.size(0)).copy_(rows.square().sum(1));
    });
    squares_.push_back(squares);
  });
}

void DoraNorms::Visit(
    const std::function<void(std::size_t, const model::FusedLinear&)>& body) const {
  if (in_parts_ == nullptr) {
    for (std::size_t i = 0; i < linears_.size(); ++i) body(i, linears_[i]);
    return;
  }
  std::size_t next = 0;
  const auto up_to = [&](std::size_t group) {
    for (; next < places_.size() && places_[next].group < group; ++next) {
      const Place& place = places_[next];
      body(next, Alone(model::LinearAt(*in_parts_, place.group), place.part));
    }
  };
  in_parts_->source->Begin({});
  for (std::size_t layer = 0; layer < in_parts_->layers.size(); ++layer) {
    const model::HeldLayer held(in_parts_->source.get(), layer);
    up_to(model::GroupIndex(layer + 1, model::Site::kQkv));
  }
  up_to(model::HeadGroupIndex(*in_parts_) + 1);
}

// ||f w + s b A||^2 = f^2 ||w||^2 + 2 f s b . (A w) + s^2 b (A A^T) b for each row w of W and b of
// B.
void DoraNorms::Measure(
    const std::function<Addition(std::size_t)>& addition,
    const std::function<void(std::size_t, const at::Tensor& norms)>& use) const {
  if (places_.empty()) return;
  Visit([&](std::size_t index, const model::FusedLinear& linear) {
    const Addition added = addition(index);
    const at::Tensor& a = added.a;
    const at::Tensor& b = added.b;
    const at::Tensor& factor = added.factor;
    at::Tensor squares = squares_[index].clone();
    if (factor.defined()) squares.mul_(factor.square());
    ForRows(linear, compute_type_, [&](std::int64_t begin, const at::Tensor& rows) {
      const std::int64_t count = rows.size(0);
      at::Tensor product = model::Product(a, rows).mul_(b.narrow(0, begin, count).t()).sum(0);
      if (factor.defined()) product.mul_(factor.narrow(0, begin, count));
      squares.narrow(0, begin, count).add_(product, 2 * added.scale);
    });
    squares.add_(model::Product(b, model::Product(a, a)).mul_(b).sum(1), added.scale * added.scale);
    // A row of zeros has no direction; any positive norm leaves it as it is.
    use(index, squares.clamp_min_(1e-30).sqrt_());
  });
}

}  // namespace lathe::trainer::adapters
