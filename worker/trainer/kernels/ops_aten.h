#pragma once
// ops.h as chains of ATen operations, same contracts, for every device: what runs where there are
// no kernels of our own, and what those are compared with.

#include "worker/trainer/kernels/cross_entropy.h"
#include "worker/trainer/kernels/ops.h"

namespace lathe::trainer::kernels::aten {

RmsNormResult RmsNorm(const at::Tensor& x, const Norm& norm);
void AddRmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const Norm& norm,
                        const at::Tensor& rstd, at::Tensor& dx);
at::Tensor NormHeads(at::Tensor& x, const HeadSpan& span, const Norm& norm);
void NormHeadsBackward(at::Tensor& d, const at::Tensor& x, const HeadSpan& span, const Norm& norm,
                       const at::Tensor& rstd);
void ApplyRope(at::Tensor& x, const HeadSpan& span, const at::Tensor& cosine,
               const at::Tensor& sine, Rotation rotation);
at::Tensor Gated(Activation activation, const at::Tensor& gate_up);
at::Tensor GatedBackward(Activation activation, const at::Tensor& dout, const at::Tensor& gate_up);
void CausalSoftmax(at::Tensor& scores, const CausalRows& rows, const ScoreScaling& scaling);
void SoftmaxBackward(const at::Tensor& p, at::Tensor& dp, double scale);
void SoftCapBackward(const at::Tensor& scores, at::Tensor& dscores, const ScoreScaling& scaling);

RowLosses CrossEntropyRows(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& scales,
                           double soft_cap);

}  // namespace lathe::trainer::kernels::aten
