#include "worker/trainer/model/linear.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>

#include "worker/trainer/model/product.h"

namespace lathe::trainer::model {
namespace {

/// gradient (fp32) += left right, whatever their type.
void Accumulate(at::Tensor gradient, const at::Tensor& left, const at::Tensor& right) {
  if (left.scalar_type() == gradient.scalar_type()) {
    gradient.addmm_(left, right);
  } else {
    gradient.add_(at::mm(left, right));
  }
}

at::Tensor Dropped(const at::Tensor& x, const LinearTape& tape) {
  return tape.dropout_mask.defined() ? x * tape.dropout_mask : x;
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
    Accumulate(part.b_gradient, dy_part.t(), z * part.scale);
  }
  return dz;
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
  at::Tensor y = Product(x, DenseWeight(linear, x.scalar_type()), linear.bias);
  if (group == nullptr) return y;
  const at::Tensor z = at::mm(tape == nullptr ? x : Dropped(x, *tape), group->a.t());
  for (const LowRankPart& part : group->parts) {
    y.narrow(1, part.begin, part.size)
        .addmm_(z.narrow(1, part.offset, part.rank), part.b.t(), 1.0, part.scale);
  }
  if (tape != nullptr) tape->low_rank = z;
  return y;
}

at::Tensor Backward(const FusedLinear& linear, const LowRankGroup* group,
                    const LinearBackward& arguments) {
  at::Tensor dx;
  if (arguments.input_gradient) {
    dx = Product(arguments.dy, DenseWeight(linear, arguments.dy.scalar_type()).t());
  }
  if (group == nullptr) return dx;
  const at::Tensor dz = BackwardThroughB(*group, arguments);
  Accumulate(group->a_gradient, dz.t(), Dropped(arguments.x, arguments.tape));
  if (!arguments.input_gradient) return dx;
  if (arguments.tape.dropout_mask.defined()) {
    dx.add_(at::mm(dz, group->a).mul_(arguments.tape.dropout_mask));
  } else {
    dx.addmm_(dz, group->a);
  }
  return dx;
}

}  // namespace lathe::trainer::model
