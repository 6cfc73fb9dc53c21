#pragma once
// The CPU side of ops.h, same contracts; rows are divided among the threads of ATen's pool.

#include "worker/trainer/kernels/ops.h"

namespace lathe::trainer::kernels::cpu {

RmsNormResult RmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
void AddRmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& rstd, at::Tensor& dx);
void ApplyRope(at::Tensor& x, std::int64_t heads, const at::Tensor& cosine, const at::Tensor& sine,
               Rotation rotation);
at::Tensor SwiGlu(const at::Tensor& gate_up);
at::Tensor SwiGluBackward(const at::Tensor& dout, const at::Tensor& gate_up);
void CausalSoftmax(at::Tensor& scores, const CausalRows& rows, double scale);
void SoftmaxBackward(const at::Tensor& p, at::Tensor& dp, double scale);
double CrossEntropy(at::Tensor& logits, const at::Tensor& targets, double gradient_scale);

}  // namespace lathe::trainer::kernels::cpu
