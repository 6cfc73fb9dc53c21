#include "worker/trainer/kernels/ops_aten.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>

#include <limits>

namespace lathe::trainer::kernels::aten {
namespace {

constexpr double kGelu = 0.7978845608028654;  // sqrt(2 / pi)

at::Tensor Weight(const Norm& norm) {
  return norm.weight.to(at::kFloat) + norm.offset;
}

at::Tensor Heads(const at::Tensor& x, const HeadSpan& span) {
  return x.narrow(1, span.begin, span.count * span.head_dim)
      .unflatten(1, {span.count, span.head_dim});
}

/// The gradient of the norm over the last dimension, fp32.
at::Tensor NormGradient(const at::Tensor& dy, const at::Tensor& x, const Norm& norm,
                        const at::Tensor& rstd) {
  const at::Tensor scale = rstd.unsqueeze(-1);
  const at::Tensor normed = x.to(at::kFloat) * scale;
  const at::Tensor weighted = dy.to(at::kFloat) * Weight(norm);
  const at::Tensor projection = (weighted * normed).mean(-1, true);
  return (weighted - normed * projection) * scale;
}

/// 1 / (1 + exp(-2u)) with u of GELU's tanh formula.
at::Tensor GeluSigmoid(const at::Tensor& gate) {
  return (gate * (1 + 0.044715 * gate.square())).mul_(2 * kGelu).sigmoid_();
}

}  // namespace

RmsNormResult RmsNorm(const at::Tensor& x, const Norm& norm) {
  const at::Tensor wide = x.to(at::kFloat);
  const at::Tensor rstd = wide.square().mean(-1).add_(norm.epsilon).rsqrt_();
  return {(wide * rstd.unsqueeze(-1) * Weight(norm)).to(x.scalar_type()), rstd};
}

void AddRmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const Norm& norm,
                        const at::Tensor& rstd, at::Tensor& dx) {
  dx.add_(NormGradient(dy, x, norm, rstd).to(dx.scalar_type()));
}

at::Tensor NormHeads(at::Tensor& x, const HeadSpan& span, const Norm& norm) {
  at::Tensor heads = Heads(x, span);
  const RmsNormResult result = aten::RmsNorm(heads, norm);
  heads.copy_(result.y);
  return result.rstd;
}

void NormHeadsBackward(at::Tensor& d, const at::Tensor& x, const HeadSpan& span, const Norm& norm,
                       const at::Tensor& rstd) {
  at::Tensor heads = Heads(d, span);
  heads.copy_(NormGradient(heads, Heads(x, span), norm, rstd));
}

void ApplyRope(at::Tensor& x, const HeadSpan& span, const at::Tensor& cosine,
               const at::Tensor& sine, Rotation rotation) {
  const std::int64_t half = cosine.size(1);
  const at::Tensor heads = Heads(x, span);
  at::Tensor left = heads.narrow(2, 0, half);
  at::Tensor right = heads.narrow(2, half, half);
  const at::Tensor first = left.to(at::kFloat, false, true);
  const at::Tensor second = right.to(at::kFloat, false, true);
  const at::Tensor c = cosine.unsqueeze(1);
  const at::Tensor s = rotation == Rotation::kForward ? sine.unsqueeze(1) : sine.neg().unsqueeze(1);
  left.copy_(first * c - second * s);
  right.copy_(second * c + first * s);
}

at::Tensor Gated(Activation activation, const at::Tensor& gate_up) {
  const std::int64_t n = gate_up.size(1) / 2;
  const at::Tensor gate = gate_up.narrow(1, 0, n).to(at::kFloat);
  const at::Tensor sigmoid = activation == Activation::kSilu ? gate.sigmoid() : GeluSigmoid(gate);
  return (gate * sigmoid * gate_up.narrow(1, n, n)).to(gate_up.scalar_type());
}

at::Tensor GatedBackward(Activation activation, const at::Tensor& dout, const at::Tensor& gate_up,
                         at::Tensor* out) {
  if (out != nullptr) *out = aten::Gated(activation, gate_up);
  const std::int64_t n = dout.size(1);
  const at::Tensor gate = gate_up.narrow(1, 0, n).to(at::kFloat);
  const at::Tensor up = gate_up.narrow(1, n, n).to(at::kFloat);
  const at::Tensor wide = dout.to(at::kFloat);
  const bool silu = activation == Activation::kSilu;
  const at::Tensor sigmoid = silu ? gate.sigmoid() : GeluSigmoid(gate);
  at::Tensor slope = 1 - sigmoid;
  if (!silu) slope = slope * (2 * kGelu * (1 + 3 * 0.044715 * gate.square()));
  const at::Tensor dgate = wide * up * sigmoid * (1 + gate * slope);
  return at::cat({dgate, wide * gate * sigmoid}, 1).to(gate_up.scalar_type());
}

void CausalSoftmax(at::Tensor& scores, const CausalRows& rows, const ScoreScaling& scaling) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(scores.device());
  const at::Tensor own = at::arange(rows.queries, options).add_(rows.first).unsqueeze(1);
  const at::Tensor key = at::arange(scores.size(2), options).add_(rows.first_key).unsqueeze(0);
  at::Tensor hidden = key.gt(own);
  if (rows.window > 0) hidden = hidden.logical_or_(key.le(own - rows.window));
  at::Tensor grouped = scores.unflatten(1, {-1, rows.queries});
  const at::Tensor masked = SoftCapped(grouped.to(at::kFloat) * scaling.scale, scaling.cap)
                                .masked_fill_(hidden, -std::numeric_limits<float>::infinity());
  grouped.copy_(at::softmax(masked, -1));
}

void SoftmaxBackward(const at::Tensor& p, at::Tensor& dp, double scale) {
  const at::Tensor wide = p.to(at::kFloat);
  const at::Tensor product = wide * dp;
  dp.copy_((product - wide * product.sum(-1, true)).mul_(scale));
}

void SoftCapBackward(const at::Tensor& scores, at::Tensor& dscores, const ScoreScaling& scaling) {
  const at::Tensor t = (scores.to(at::kFloat) * (scaling.scale / scaling.cap)).tanh_();
  dscores.copy_(dscores * (1 - t.square()));
}

RowLosses CrossEntropyRows(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& scales,
                           double soft_cap) {
  const at::Tensor capped = SoftCapped(logits.to(at::kFloat), soft_cap);
  const at::Tensor log_probabilities = at::log_softmax(capped, -1, at::kFloat);
  const at::Tensor index = targets.unsqueeze(1);
  const at::Tensor of_target = log_probabilities.gather(1, index).squeeze(1);
  const at::Tensor hits = of_target.ge(log_probabilities.amax(-1)).to(at::kFloat);
  if (scales.defined()) {
    at::Tensor gradient = log_probabilities.exp();
    gradient.scatter_add_(1, index, -at::Tensor(gradient.new_ones(index.sizes())));
    if (soft_cap > 0) gradient.mul_(1 - (capped / soft_cap).square());
    logits.copy_(gradient.mul_(scales.unsqueeze(1)));
  }
  return {of_target.neg(), hits};
}

}  // namespace lathe::trainer::kernels::aten
