#include "worker/trainer/model/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <span>
#include <vector>

#include "common/base/check.h"
#include "worker/trainer/model/product.h"
#include "worker/trainer/quantization/few_rows.h"

namespace lathe::trainer::model {
namespace {

at::Tensor Dropped(const at::Tensor& x, const LinearTape& tape) {
  return tape.dropout_mask.defined() ? x * tape.dropout_mask : x;
}

/// Whether the weight is read as it is stored.
bool MultipliesRows(const FusedLinear& linear, const at::Tensor& x) {
  return !linear.quantized.empty() && quantization::MultipliesRows(linear.quantized[0], x);
}

/// x W^T, part by part, of a weight that is read as it is stored.
at::Tensor StoredProduct(const FusedLinear& linear, const at::Tensor& x) {
  at::Tensor y = at::empty({x.size(0), linear.weight.size(0)}, x.options());
  for (std::size_t i = 0; i < linear.parts.size(); ++i) {
    at::Tensor columns = y.narrow(1, linear.parts[i].begin, linear.parts[i].size);
    quantization::MultiplyRows(linear.quantized[i], x, columns);
  }
  return y;
}

/// x W^T + bias + low-rank products.
at::Tensor WholeProduct(const FusedLinear& linear, kernels::PackedRows& x,
                        const kernels::GemmOptions& options) {
  if (!MultipliesRows(linear, x.x())) {
    return Product(x, DenseWeight(linear, x.x().scalar_type()), options);
  }
  at::Tensor y = StoredProduct(linear, x.x());
  if (options.bias.defined()) y.add_(options.bias);
  for (const kernels::LowRankProduct& product : options.low_rank) {
    y.narrow(1, product.begin, product.right.size(0))
        .addmm_(product.left, product.right.t(), 1, product.scale);
  }
  return y;
}

/// dy W + low-rank products.
at::Tensor ThroughWeight(const FusedLinear& linear, kernels::PackedRows& dy,
                         std::span<const kernels::LowRankProduct> low_rank = {}) {
  return Product(dy, DenseWeight(linear, dy.x().scalar_type()).t(),
                 {.low_rank = low_rank, .kept = linear.kept.get()});
}

/// scale * z B^T, part by part.
std::vector<kernels::LowRankProduct> LowRankProducts(const LowRankGroup& group,
                                                     const at::Tensor& z) {
  std::vector<kernels::LowRankProduct> products;
  for (const LowRankPart& part : group.parts) {
    products.push_back({z.narrow(1, part.offset, part.rank), part.b, part.begin, part.scale});
  }
  return products;
}

at::Tensor ThroughA(const LowRankGroup& group, kernels::PackedRows& x) {
  const kernels::Projection projection{group.a};
  return ProjectRows(x, {&projection, 1});
}

/// DoRA's forward pass. Products with the factor are fp32: it differs little from 1.
at::Tensor ForwardScaled(const FusedLinear& linear, const LowRankGroup& group,
                         const at::Tensor& bias, const at::Tensor& x, LinearTape* tape) {
  const bool drops = tape != nullptr && tape->dropout_mask.defined();
  kernels::PackedRows rows(drops ? Dropped(x, *tape) : x);
  const at::Tensor weight = DenseWeight(linear, x.scalar_type());
  const at::Tensor z = ThroughA(group, rows);
  const at::Tensor unscaled = Product(rows, weight, {.low_rank = LowRankProducts(group, z)});
  at::Tensor y = unscaled * group.scales->factor;
  // What of x W^T the factor does not reach.
  if (drops) y.add_(Product(x - rows.x(), weight));
  if (bias.defined()) y.add_(bias);
  if (tape != nullptr) {
    tape->low_rank = z;
    tape->unscaled = unscaled;
  }
  return y.to(x.scalar_type());
}

/// The forward pass of composed adapters that weigh the base too. As with DoRA, products with the
/// factor are fp32.
at::Tensor ForwardWeighed(const FusedLinear& linear, const LowRankGroup& group,
                          const at::Tensor& bias, const at::Tensor& x) {
  kernels::PackedRows rows(x);
  const at::Tensor z = ThroughA(group, rows);
  at::Tensor y = Product(rows, DenseWeight(linear, x.scalar_type())) * group.base_factor;
  for (const LowRankPart& part : group.parts) {
    y.narrow(1, part.begin, part.size)
        .add_(Product(z.narrow(1, part.offset, part.rank), part.b), part.scale);
  }
  if (bias.defined()) y.add_(bias);
  return y.to(x.scalar_type());
}

/// Low-rank parts are added before the result is rounded.
at::Tensor ForwardAdded(const FusedLinear& linear, const LowRankGroup& group,
                        const at::Tensor& bias, const at::Tensor& x, LinearTape* tape) {
  kernels::PackedRows rows(x);
  at::Tensor z;
  if (tape != nullptr && tape->dropout_mask.defined()) {
    kernels::PackedRows dropped(Dropped(x, *tape));
    z = ThroughA(group, dropped);
  } else {
    z = ThroughA(group, rows);
  }
  if (tape != nullptr) tape->low_rank = z;
  return WholeProduct(linear, rows, {.bias = bias, .low_rank = LowRankProducts(group, z)});
}

void AddBiasGradients(const LowRankGroup& group, const at::Tensor& dy) {
  for (const BiasPart& part : group.biases) {
    at::Tensor gradient = part.gradient;
    gradient.add_(dy.narrow(1, part.begin, part.size).sum(0, false, at::kFloat));
  }
}

void AddMagnitudeGradients(const LowRankGroup& group, const at::Tensor& dy,
                           const LinearTape& tape) {
  for (const LowRankPart& part : group.parts) {
    const at::Tensor unscaled = tape.unscaled.narrow(1, part.begin, part.size);
    const at::Tensor sum = (dy.narrow(1, part.begin, part.size).to(at::kFloat) * unscaled).sum(0);
    at::Tensor gradient = part.magnitude_gradient;
    gradient.addcmul_(sum, group.scales->inverse_norm.narrow(0, part.begin, part.size));
  }
}

/// From the gradient of what the low-rank products are added to: adds to the gradients of A and B,
/// and returns that of x A^T, scaled.
at::Tensor BackwardThroughB(const LowRankGroup& group, const LinearBackward& arguments,
                            kernels::PackedRows& dy) {
  std::vector<kernels::Projection> projections;
  for (const LowRankPart& part : group.parts) projections.push_back({part.b.t(), part.begin});
  at::Tensor dz = ProjectRows(dy, projections);
  std::vector<kernels::OuterTerm> terms;
  for (const LowRankPart& part : group.parts) {
    dz.narrow(1, part.offset, part.rank).mul_(part.scale);
    terms.push_back({arguments.tape.low_rank.narrow(1, part.offset, part.rank),
                     dy.x().narrow(1, part.begin, part.size), part.scale, part.b_gradient.t()});
  }
  if (arguments.for_a != nullptr) {
    *arguments.for_a = dz;
  } else {
    terms.push_back({dz, Dropped(arguments.x, arguments.tape), 1, group.a_gradient});
  }
  AddGradients(terms);
  return dz;
}

at::Tensor BackwardAdded(const FusedLinear& linear, const LowRankGroup& group,
                         const LinearBackward& arguments) {
  const at::Tensor& dy = arguments.dy;
  const bool scaled = group.scales.has_value();
  if (scaled) AddMagnitudeGradients(group, dy, arguments.tape);
  // The gradient of what DoRA's factor multiplies.
  const at::Tensor inner = scaled ? (dy * group.scales->factor).to(dy.scalar_type()) : dy;
  kernels::PackedRows rows(inner);
  const at::Tensor dz = BackwardThroughB(group, arguments, rows);
  if (!arguments.input_gradient) return {};
  const kernels::LowRankProduct through_a{dz, group.a.t()};
  const at::Tensor& mask = arguments.tape.dropout_mask;
  if (!mask.defined()) return ThroughWeight(linear, rows, {&through_a, 1});
  if (!scaled) return ThroughWeight(linear, rows).add_(Product(dz, group.a.t()).mul_(mask));
  kernels::PackedRows beyond((dy * (group.scales->factor - 1)).to(dy.scalar_type()));
  kernels::PackedRows whole(dy);
  return ThroughWeight(linear, whole)
      .add_(ThroughWeight(linear, beyond, {&through_a, 1}).mul_(mask));
}

}  // namespace

at::Tensor DenseWeight(const FusedLinear& linear, at::ScalarType dtype) {
  if (linear.quantized.empty()) return linear.weight;
  const auto options =
      at::TensorOptions().dtype(dtype).device(linear.quantized.front().codes.device());
  at::Tensor weight = linear.scratch->Take(linear.weight.size(0), linear.weight.size(1), options);
  for (std::size_t i = 0; i < linear.parts.size(); ++i) {
    at::Tensor rows = weight.narrow(0, linear.parts[i].begin, linear.parts[i].size);
    quantization::Dequantize(linear.quantized[i], rows);
  }
  return weight;
}

at::Tensor Forward(const FusedLinear& linear, const LowRankGroup* group, const at::Tensor& x,
                   LinearTape* tape) {
  const at::Tensor& bias = group != nullptr && group->bias.defined() ? group->bias : linear.bias;
  if (group == nullptr || !group->a.defined()) {
    kernels::PackedRows rows(x);
    return WholeProduct(linear, rows, {.bias = bias});
  }
  if (group->scales) return ForwardScaled(linear, *group, bias, x, tape);
  if (group->base_factor.defined()) {
    LATHE_CHECK(tape == nullptr, "composed adapters are not trained");
    return ForwardWeighed(linear, *group, bias, x);
  }
  return ForwardAdded(linear, *group, bias, x, tape);
}

at::Tensor Backward(const FusedLinear& linear, const LowRankGroup* group,
                    const LinearBackward& arguments) {
  if (group != nullptr) AddBiasGradients(*group, arguments.dy);
  if (group != nullptr && group->a.defined()) return BackwardAdded(linear, *group, arguments);
  if (!arguments.input_gradient) return {};
  kernels::PackedRows rows(arguments.dy);
  return ThroughWeight(linear, rows);
}

void AddGradientOfA(const LowRankGroup& group, const at::Tensor& for_a, const at::Tensor& x,
                    const LinearTape& tape) {
  AddGradient({for_a, Dropped(x, tape), 1, group.a_gradient});
}

}  // namespace lathe::trainer::model
