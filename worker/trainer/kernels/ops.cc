#include "worker/trainer/kernels/ops.h"

#include <ATen/TensorOperators.h>

#include "worker/trainer/kernels/ops_aten.h"
#include "worker/trainer/kernels/ops_cpu.h"
#include "worker/trainer/kernels/ops_device.h"

namespace lathe::trainer::kernels {

RmsNormResult RmsNorm(const at::Tensor& x, const Norm& norm) {
  return x.is_cpu() ? cpu::RmsNorm(x, norm) : accelerator::RmsNorm(x, norm);
}

void AddRmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const Norm& norm,
                        const at::Tensor& rstd, at::Tensor& dx) {
  return dy.is_cpu() ? cpu::AddRmsNormBackward(dy, x, norm, rstd, dx)
                     : accelerator::AddRmsNormBackward(dy, x, norm, rstd, dx);
}

at::Tensor NormHeads(at::Tensor& x, const HeadSpan& span, const Norm& norm) {
  return x.is_cpu() ? cpu::NormHeads(x, span, norm) : accelerator::NormHeads(x, span, norm);
}

void NormHeadsBackward(at::Tensor& d, const at::Tensor& x, const HeadSpan& span, const Norm& norm,
                       const at::Tensor& rstd) {
  return d.is_cpu() ? cpu::NormHeadsBackward(d, x, span, norm, rstd)
                    : accelerator::NormHeadsBackward(d, x, span, norm, rstd);
}

void ApplyRope(at::Tensor& x, const HeadSpan& span, const at::Tensor& cosine,
               const at::Tensor& sine, Rotation rotation) {
  return x.is_cpu() ? cpu::ApplyRope(x, span, cosine, sine, rotation)
                    : accelerator::ApplyRope(x, span, cosine, sine, rotation);
}

at::Tensor Gated(Activation activation, const at::Tensor& gate_up) {
  return gate_up.is_cpu() ? cpu::Gated(activation, gate_up)
                          : accelerator::Gated(activation, gate_up);
}

at::Tensor GatedBackward(Activation activation, const at::Tensor& dout, const at::Tensor& gate_up,
                         at::Tensor* out) {
  return gate_up.is_cpu() ? cpu::GatedBackward(activation, dout, gate_up, out)
                          : accelerator::GatedBackward(activation, dout, gate_up, out);
}

void CausalSoftmax(at::Tensor& scores, const CausalRows& rows, const ScoreScaling& scaling) {
  return scores.is_cpu() ? cpu::CausalSoftmax(scores, rows, scaling)
                         : accelerator::CausalSoftmax(scores, rows, scaling);
}

void SoftmaxBackward(const at::Tensor& p, at::Tensor& dp, double scale) {
  return p.is_cpu() ? cpu::SoftmaxBackward(p, dp, scale)
                    : accelerator::SoftmaxBackward(p, dp, scale);
}

void SoftCapBackward(const at::Tensor& scores, at::Tensor& dscores, const ScoreScaling& scaling) {
  return scores.is_cpu() ? cpu::SoftCapBackward(scores, dscores, scaling)
                         : accelerator::SoftCapBackward(scores, dscores, scaling);
}

at::Tensor SoftCapped(const at::Tensor& x, double cap) {
  return cap > 0 ? (x / cap).tanh_().mul_(cap) : x;
}

}  // namespace lathe::trainer::kernels
