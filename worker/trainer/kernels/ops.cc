#include "worker/trainer/kernels/ops.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>

#include <limits>

#include "worker/trainer/kernels/ops_cpu.h"

namespace lathe::trainer::kernels {

RmsNormResult RmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon) {
  if (x.is_cpu()) return cpu::RmsNorm(x, weight, epsilon);
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor rstd = wide.square().mean(-1).add_(epsilon).rsqrt_();
  return {(wide * rstd.unsqueeze(-1) * weight.to(at::kFloat)).to(x.scalar_type()), rstd};
}

void AddRmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& rstd, at::Tensor& dx) {
  if (x.is_cpu()) return cpu::AddRmsNormBackward(dy, x, weight, rstd, dx);
  const at::Tensor scale = rstd.unsqueeze(-1);
  const at::Tensor normed = x.to(at::kFloat) * scale;
  const at::Tensor weighted = dy.to(at::kFloat) * weight.to(at::kFloat);
  const at::Tensor projection = (weighted * normed).mean(-1, true);
  dx.add_(((weighted - normed * projection) * scale).to(dx.scalar_type()));
}

void ApplyRope(at::Tensor& x, std::int64_t heads, const at::Tensor& cosine, const at::Tensor& sine,
               Rotation rotation) {
  if (x.is_cpu()) return cpu::ApplyRope(x, heads, cosine, sine, rotation);
  const std::int64_t half = cosine.size(1);
  at::Tensor pairs = x.narrow(1, 0, heads * 2 * half).unflatten(1, {heads, 2, half});
  const at::Tensor first = pairs.select(2, 0).to(at::kFloat);
  const at::Tensor second = pairs.select(2, 1).to(at::kFloat);
  const at::Tensor c = cosine.unsqueeze(1);
  const at::Tensor s = rotation == Rotation::kForward ? sine.unsqueeze(1) : sine.neg().unsqueeze(1);
  pairs.select(2, 0).copy_(first * c - second * s);
  pairs.select(2, 1).copy_(second * c + first * s);
}

at::Tensor SwiGlu(const at::Tensor& gate_up) {
  if (gate_up.is_cpu()) return cpu::SwiGlu(gate_up);
  const std::int64_t n = gate_up.size(1) / 2;
  const at::Tensor gate = gate_up.narrow(1, 0, n).to(at::kFloat);
  return (gate * gate.sigmoid() * gate_up.narrow(1, n, n)).to(gate_up.scalar_type());
}

at::Tensor SwiGluBackward(const at::Tensor& dout, const at::Tensor& gate_up) {
  if (gate_up.is_cpu()) return cpu::SwiGluBackward(dout, gate_up);
  const std::int64_t n = dout.size(1);
  const at::Tensor gate = gate_up.narrow(1, 0, n).to(at::kFloat);
  const at::Tensor up = gate_up.narrow(1, n, n).to(at::kFloat);
  const at::Tensor wide = dout.to(at::kFloat);
  const at::Tensor sigmoid = gate.sigmoid();
  const at::Tensor dgate = wide * up * sigmoid * (1 + gate * (1 - sigmoid));
  return at::cat({dgate, wide * gate * sigmoid}, 1).to(gate_up.scalar_type());
}

void CausalSoftmax(at::Tensor& scores, const CausalRows& rows, double scale) {
  if (scores.is_cpu()) return cpu::CausalSoftmax(scores, rows, scale);
  const auto options = at::TensorOptions().dtype(at::kLong).device(scores.device());
  const at::Tensor last = at::arange(rows.queries, options).add_(rows.first).unsqueeze(1);
  const at::Tensor hidden = at::arange(scores.size(2), options).unsqueeze(0).gt(last);
  at::Tensor grouped = scores.unflatten(1, {-1, rows.queries});
  const at::Tensor masked = grouped.to(at::kFloat)
                                .mul_(scale)
                                .masked_fill_(hidden, -std::numeric_limits<float>::infinity());
  grouped.copy_(at::softmax(masked, -1));
}

void SoftmaxBackward(const at::Tensor& p, at::Tensor& dp, double scale) {
  if (p.is_cpu()) return cpu::SoftmaxBackward(p, dp, scale);
  const at::Tensor wide = p.to(at::kFloat);
  const at::Tensor product = wide * dp;
  dp.copy_((product - wide * product.sum(-1, true)).mul_(scale));
}

double CrossEntropy(at::Tensor& logits, const at::Tensor& targets, double gradient_scale) {
  if (logits.is_cpu()) return cpu::CrossEntropy(logits, targets, gradient_scale);
  const at::Tensor log_probabilities = at::log_softmax(logits, -1, at::kFloat);
  const at::Tensor index = targets.unsqueeze(1);
  const double loss = -log_probabilities.gather(1, index).sum(at::kDouble).item<double>();
  if (gradient_scale != 0) {
    at::Tensor gradient = log_probabilities.exp();
    gradient.scatter_add_(1, index, -at::Tensor(gradient.new_ones(index.sizes())));
    logits.copy_(gradient.mul_(gradient_scale));
  }
  return loss;
}

}  // namespace lathe::trainer::kernels
