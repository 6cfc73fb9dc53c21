#include "worker/trainer/model/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>

#include "common/base/check.h"
#include "worker/trainer/kernels/few_row_product.h"
#include "worker/trainer/kernels/gemm.h"
#include "worker/trainer/kernels/outer_products.h"
#include "worker/trainer/model/gradient.h"
#include "worker/trainer/model/product.h"
#include "worker/trainer/quantization/few_rows.h"

namespace lathe::trainer::model {
namespace {

at::Tensor Dropped(const at::Tensor& x, const LinearTape& tape) {
  return tape.dropout_mask.defined() ? x * tape.dropout_mask : x;
}

/// y = y * before + scale * z B^T, part by part.
void AddLowRank(const LowRankGroup& group, const at::Tensor& z, at::Tensor& y, double before = 1) {
  for (const LowRankPart& part : group.parts) {
    y.narrow(1, part.begin, part.size)
        .addmm_(z.narrow(1, part.offset, part.rank), part.b.t(), before, part.scale);
  }
}

/// Whether every output has a low-rank part.
bool CoversAll(const LowRankGroup& group, std::int64_t outputs) {
  std::int64_t covered = 0;
  for (const LowRankPart& part : group.parts) covered += part.size;
  return covered == outputs;
}

/// Whether the weight is read as it is stored.
bool MultipliesRows(const FusedLinear& linear, const at::Tensor& x) {
  return !linear.quantized.empty() && quantization::MultipliesRows(linear.quantized[0], x);
}

/// x W^T (+ bias).
at::Tensor BaseProduct(const FusedLinear& linear, const at::Tensor& x, const at::Tensor& bias) {
  if (!MultipliesRows(linear, x)) return Product(x, DenseWeight(linear, x.scalar_type()), bias);
  at::Tensor y = at::empty({x.size(0), linear.weight.size(0)}, x.options());
  for (std::size_t i = 0; i < linear.parts.size(); ++i) {
    at::Tensor columns = y.narrow(1, linear.parts[i].begin, linear.parts[i].size);
    quantization::MultiplyRows(linear.quantized[i], x, columns);
  }
  if (bias.defined()) y.add_(bias);
  return y;
}

/// Forward by torch's products. The small product is written first and the large one added to it,
/// whose kernel reads it while it computes: the other way round costs another pass over the output.
at::Tensor ForwardProducts(const FusedLinear& linear, const LowRankGroup& group,
                           const at::Tensor& bias, const at::Tensor& x, LinearTape* tape) {
  const at::Tensor z = at::mm(tape == nullptr ? x : Dropped(x, *tape), group.a.t());
  at::Tensor y;
  const bool covers = CoversAll(group, linear.weight.size(0));
  if (covers && !bias.defined() && !MultipliesRows(linear, x)) {
    y = at::empty({x.size(0), linear.weight.size(0)}, x.options());
    AddLowRank(group, z, y, 0);
    y.addmm_(x, DenseWeight(linear, x.scalar_type()).t());
  } else {
    y = BaseProduct(linear, x, bias);
    AddLowRank(group, z, y);
  }
  if (tape != nullptr) tape->low_rank = z;
  return y;
}

/// DoRA's forward pass. Products with the factor are fp32: it differs little from 1.
at::Tensor ForwardScaled(const at::Tensor& weight, const LowRankGroup& group,
                         const at::Tensor& bias, const at::Tensor& x, LinearTape* tape) {
  const bool drops = tape != nullptr && tape->dropout_mask.defined();
  const at::Tensor input = drops ? Dropped(x, *tape) : x;
  at::Tensor unscaled = at::mm(input, weight.t());
  at::Tensor kept;  // What of x W^T the factor does not reach: nothing without dropout.
  if (drops) kept = at::mm(x, weight.t()).to(at::kFloat).sub_(unscaled);
  const at::Tensor z = at::mm(input, group.a.t());
  AddLowRank(group, z, unscaled);
  at::Tensor y = unscaled * group.scales->factor;
  if (drops) y.add_(kept);
  if (bias.defined()) y.add_(bias);
  if (tape != nullptr) {
    tape->low_rank = z;
    tape->unscaled = unscaled;
  }
  return y.to(x.scalar_type());
}

/// The forward pass of composed adapters that weigh the base too. As with DoRA, products with the
/// factor are fp32.
at::Tensor ForwardWeighed(const at::Tensor& weight, const LowRankGroup& group,
                          const at::Tensor& bias, const at::Tensor& x) {
  at::Tensor y = at::mm(x, weight.t()) * group.base_factor;
  const at::Tensor z = at::mm(x, group.a.t());
  for (const LowRankPart& part : group.parts) {
    y.narrow(1, part.begin, part.size)
        .add_(at::mm(z.narrow(1, part.offset, part.rank), part.b.t()), part.scale);
  }
  if (bias.defined()) y.add_(bias);
  return y.to(x.scalar_type());
}

/// dL/d(x A^T) for all parts [N, sum of ranks]; adds to the B gradients on the way.
at::Tensor BackwardThroughB(const LowRankGroup& group, const LinearBackward& arguments) {
  const at::Tensor& dy = arguments.dy;
  at::Tensor dz = at::empty({dy.size(0), group.a.size(0)}, dy.options());
  for (const LowRankPart& part : group.parts) {
    const at::Tensor dy_part = dy.narrow(1, part.begin, part.size);
    at::Tensor dz_part = dz.narrow(1, part.offset, part.rank);
    at::mm_out(dz_part, dy_part, part.b);
    dz_part.mul_(part.scale);
    const at::Tensor z = arguments.tape.low_rank.narrow(1, part.offset, part.rank);
    AddProduct(part.b_gradient, dy_part.t(), z * part.scale);
  }
  return dz;
}

void AddBiasGradients(const LowRankGroup& group, const at::Tensor& dy) {
  for (const BiasPart& part : group.biases) {
    at::Tensor gradient = part.gradient;
    gradient.add_(dy.narrow(1, part.begin, part.size).sum(0, false, at::kFloat));
  }
}

/// What follows the gradient of the low-rank products dz: A's gradient, and returned what the input
/// gets through A, if its gradient is asked for.
at::Tensor BackwardThroughA(const LowRankGroup& group, const LinearBackward& arguments,
                            const at::Tensor& dz) {
  if (arguments.for_a != nullptr) {
    *arguments.for_a = dz;
  } else {
    AddGradientOfA(group, dz, arguments.x, arguments.tape);
  }
  if (!arguments.input_gradient) return {};
  at::Tensor dx = at::mm(dz, group.a);
  if (arguments.tape.dropout_mask.defined()) dx.mul_(arguments.tape.dropout_mask);
  return dx;
}

at::Tensor BackwardScaled(const FusedLinear& linear, const LowRankGroup& group,
                          const LinearBackward& arguments) {
  const at::Tensor& dy = arguments.dy;
  for (const LowRankPart& part : group.parts) {
    const at::Tensor unscaled = arguments.tape.unscaled.narrow(1, part.begin, part.size);
    const at::Tensor sum = (dy.narrow(1, part.begin, part.size).to(at::kFloat) * unscaled).sum(0);
    at::Tensor gradient = part.magnitude_gradient;
    gradient.addcmul_(sum, group.scales->inverse_norm.narrow(0, part.begin, part.size));
  }
  const at::Tensor scaled = (dy * group.scales->factor).to(dy.scalar_type());
  at::Tensor dx;
  if (arguments.input_gradient) {
    const at::Tensor weight = DenseWeight(linear, dy.scalar_type());
    if (arguments.tape.dropout_mask.defined()) {
      dx = at::mm(dy, weight);
      dx.add_(at::mm(scaled - dy, weight).mul_(arguments.tape.dropout_mask));
    } else {
      dx = at::mm(scaled, weight);
    }
  }
  const LinearBackward rest{scaled, arguments.x, arguments.tape, arguments.input_gradient,
                            arguments.for_a};
  const at::Tensor through_a = BackwardThroughA(group, rest, BackwardThroughB(group, rest));
  return dx.defined() ? dx.add_(through_a) : dx;
}

std::vector<kernels::LowRankProduct> LowRankProducts(const LowRankGroup& group,
                                                     const at::Tensor& z) {
  std::vector<kernels::LowRankProduct> products;
  for (const LowRankPart& part : group.parts) {
    products.push_back({z.narrow(1, part.offset, part.rank), part.b, part.begin, part.scale});
  }
  return products;
}

/// Forward by own kernels: the input is brought into their order once, and the low-rank parts are
/// added before the result is rounded.
at::Tensor ForwardPacked(const at::Tensor& weight, const LowRankGroup& group,
                         const at::Tensor& bias, const at::Tensor& x, LinearTape* tape) {
  const bool drops = tape != nullptr && tape->dropout_mask.defined();
  kernels::PackedRows rows(x);
  kernels::PackedRows dropped(drops ? Dropped(x, *tape) : at::Tensor(x));
  const kernels::Projection projection{group.a};
  const at::Tensor z = kernels::Project(drops ? dropped : rows, {&projection, 1});
  if (tape != nullptr) tape->low_rank = z;
  return kernels::Multiply(rows, weight, {.bias = bias, .low_rank = LowRankProducts(group, z)});
}

/// The same of few rows.
at::Tensor ForwardFewRows(const at::Tensor& weight, const LowRankGroup& group,
                          const at::Tensor& bias, const at::Tensor& x, LinearTape* tape) {
  const at::Tensor z = kernels::FewRowProduct(tape == nullptr ? x : Dropped(x, *tape), group.a);
  if (tape != nullptr) tape->low_rank = z;
  return kernels::FewRowProduct(x, weight, {.bias = bias, .low_rank = LowRankProducts(group, z)});
}

at::Tensor BackwardPacked(const FusedLinear& linear, const LowRankGroup& group,
                          const LinearBackward& arguments) {
  const auto& [dy, x, tape, input_gradient, for_a] = arguments;
  kernels::PackedRows rows(dy);
  std::vector<kernels::Projection> projections;
  for (const LowRankPart& part : group.parts) projections.push_back({part.b.t(), part.begin});
  const at::Tensor dz = kernels::Project(rows, projections);
  std::vector<kernels::OuterTerm> terms;
  for (const LowRankPart& part : group.parts) {
    dz.narrow(1, part.offset, part.rank).mul_(part.scale);
    terms.push_back({tape.low_rank.narrow(1, part.offset, part.rank),
                     dy.narrow(1, part.begin, part.size), part.scale, part.b_gradient.t()});
  }
  if (for_a != nullptr) {
    *for_a = dz;
  } else {
    terms.push_back({dz, Dropped(x, tape), 1, group.a_gradient});
  }
  kernels::AddOuterProducts(terms);
  if (!input_gradient) return {};
  const at::Tensor weight = DenseWeight(linear, dy.scalar_type()).t();
  if (tape.dropout_mask.defined()) {
    const at::Tensor dx = kernels::Multiply(rows, weight);
    return dx.add_(at::mm(dz, group.a).mul_(tape.dropout_mask));
  }
  const kernels::LowRankProduct product{dz, group.a.t()};
  return kernels::Multiply(rows, weight, {.low_rank = {&product, 1}});
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
  if (group != nullptr && group->scales) {
    return ForwardScaled(DenseWeight(linear, x.scalar_type()), *group, bias, x, tape);
  }
  if (group == nullptr || !group->a.defined()) return BaseProduct(linear, x, bias);
  if (group->base_factor.defined()) {
    LATHE_CHECK(tape == nullptr, "composed adapters are not trained");
    return ForwardWeighed(DenseWeight(linear, x.scalar_type()), *group, bias, x);
  }
  if (kernels::HasGemm(x)) {
    return ForwardPacked(DenseWeight(linear, x.scalar_type()), *group, bias, x, tape);
  }
  if (kernels::HasFewRowProduct(x, linear.weight)) {
    return ForwardFewRows(DenseWeight(linear, x.scalar_type()), *group, bias, x, tape);
  }
  return ForwardProducts(linear, *group, bias, x, tape);
}

at::Tensor Backward(const FusedLinear& linear, const LowRankGroup* group,
                    const LinearBackward& arguments) {
  if (group != nullptr) AddBiasGradients(*group, arguments.dy);
  if (group != nullptr && group->scales) return BackwardScaled(linear, *group, arguments);
  const bool has_low_rank = group != nullptr && group->a.defined();
  if (has_low_rank && kernels::HasGemm(arguments.dy)) {
    return BackwardPacked(linear, *group, arguments);
  }
  const auto weight = [&] { return DenseWeight(linear, arguments.dy.scalar_type()); };
  if (!has_low_rank) {
    return arguments.input_gradient ? Product(arguments.dy, weight().t()) : at::Tensor();
  }
  at::Tensor dx = BackwardThroughA(*group, arguments, BackwardThroughB(*group, arguments));
  return dx.defined() ? dx.addmm_(arguments.dy, weight()) : dx;  // See ForwardProducts.
}

void AddGradientOfA(const LowRankGroup& group, const at::Tensor& for_a, const at::Tensor& x,
                    const LinearTape& tape) {
  const at::Tensor input = Dropped(x, tape);
  if (kernels::HasGemm(input)) {
    const kernels::OuterTerm term{for_a, input, 1, group.a_gradient};
    kernels::AddOuterProducts({&term, 1});
  } else {
    AddProduct(group.a_gradient, for_a.t(), input);
  }
}

}  // namespace lathe::trainer::model
