#include "worker/trainer/model/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <span>
#include <vector>

#include "common/base/check.h"
#include "worker/trainer/model/product.h"
#include "worker/trainer/quantization/stored_product.h"

namespace lathe::trainer::model {
namespace {

at::Tensor Dropped(const at::Tensor& x, const LinearTape& tape) {
  return tape.dropout_mask.defined() ? x * tape.dropout_mask : x;
}

/// Whether every part of the weight is read as it is stored.
bool MultipliesStored(const FusedLinear& linear, const at::Tensor& x) {
  return !linear.quantized.empty() &&
         std::all_of(linear.quantized.begin(), linear.quantized.end(),
                     [&](const auto& part) { return quantization::MultipliesStored(part, x); });
}

/// Those of the low-rank products that reach this part: none, or one.
const kernels::LowRankProduct* ProductOf(const LinearPart& part,
                                         std::span<const kernels::LowRankProduct> products) {
  for (const kernels::LowRankProduct& product : products) {
    if (product.begin == part.begin) return &product;
  }
  return nullptr;
}

/// x W^T + bias + low-rank products, part by part, of a weight that is read as it is stored.
at::Tensor StoredProduct(const FusedLinear& linear, const at::Tensor& x,
                         const kernels::GemmOptions& options) {
  at::Tensor y = at::empty({x.size(0), linear.weight.size(0)}, x.options());
  std::size_t reached = 0;
  for (std::size_t i = 0; i < linear.parts.size(); ++i) {
    const LinearPart& part = linear.parts[i];
    quantization::Added added;
    if (options.bias.defined()) added.bias = options.bias.narrow(0, part.begin, part.size);
    if (const auto* product = ProductOf(part, options.low_rank); product != nullptr) {
      ++reached;
      added.left = product->left;
      added.right = product->right;
      added.scale = product->scale;
    }
    at::Tensor columns = y.narrow(1, part.begin, part.size);
    quantization::MultiplyStored(linear.quantized[i], x, added, columns);
  }
  LATHE_CHECK(reached == options.low_rank.size(), "low-rank products are those of parts");
  return y;
}

/// x W^T + bias + low-rank products.
at::Tensor WholeProduct(const FusedLinear& linear, kernels::PackedRows& x,
                        const kernels::GemmOptions& options) {
  if (MultipliesStored(linear, x.x())) return StoredProduct(linear, x.x(), options);
  return Product(x, DenseWeight(linear, x.x().scalar_type()), options);
}

/// dy W + a low-rank product, if there is one.
at::Tensor ThroughWeight(const FusedLinear& linear, kernels::PackedRows& dy,
                         const kernels::LowRankProduct* low_rank = nullptr) {
  if (!linear.quantized.empty() &&
      quantization::MultipliesThroughStored(linear.quantized, dy.x())) {
    quantization::Added added;
    if (low_rank != nullptr) {
      added.left = low_rank->left;
      added.right = low_rank->right;
      added.scale = low_rank->scale;
    }
    return quantization::MultiplyThroughStored(linear.quantized, dy.x(), added);
  }
  std::span<const kernels::LowRankProduct> products;
  if (low_rank != nullptr) products = {low_rank, 1};
  return Product(dy, DenseWeight(linear, dy.x().scalar_type()).t(),
                 {.low_rank = products, .kept = linear.kept.get()});
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
  for (const LowRankPart& part : group.parts)
    projections.push_back({part.b.t(), part.begin, part.scale});
  const at::Tensor dz = ProjectRows(dy, projections);
  std::vector<kernels::OuterTerm> terms;
  for (const LowRankPart& part : group.parts) {
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
  if (!mask.defined()) return ThroughWeight(linear, rows, &through_a);
  if (!scaled) return ThroughWeight(linear, rows).add_(Product(dz, group.a.t()).mul_(mask));
  kernels::PackedRows beyond((dy * (group.scales->factor - 1)).to(dy.scalar_type()));
  kernels::PackedRows whole(dy);
  return ThroughWeight(linear, whole).add_(ThroughWeight(linear, beyond, &through_a).mul_(mask));
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
