#pragma once
// The decoder's operations that are not matrix products, on tensors: fused row kernels on the CPU,
// chains of ATen operations elsewhere. Forward and hand-written backward; nothing here records an
// autograd graph. Activations are fp32 or bf16, contiguous in their last dimension; reductions are
// fp32. N is the number of tokens.

#include <ATen/core/Tensor.h>

namespace lathe::trainer::kernels {

struct RmsNormResult {
  at::Tensor y;     ///< [N, H]
  at::Tensor rstd;  ///< [N] fp32
};
/// y = x / sqrt(mean(x^2) + epsilon) * weight, over the last dimension of x [N, H].
RmsNormResult RmsNorm(const at::Tensor& x, const at::Tensor& weight, double epsilon);
/// dx += the gradient with respect to x, in place.
void AddRmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& weight,
                        const at::Tensor& rstd, at::Tensor& dx);

enum class Rotation { kForward, kInverse };
/// Rotates the first `heads` heads of each row of x [N, width >= heads * head_dim] in place.
/// cosine and sine are fp32 [N, head_dim / 2]: one row a token. Pairs are (i, i + head_dim / 2), as
/// in Hugging Face models.
void ApplyRope(at::Tensor& x, std::int64_t heads, const at::Tensor& cosine, const at::Tensor& sine,
               Rotation rotation);

/// silu(gate) * up, where gate_up [N, 2I] holds gate then up.
at::Tensor SwiGlu(const at::Tensor& gate_up);
/// The gradient with respect to gate_up.
at::Tensor SwiGluBackward(const at::Tensor& dout, const at::Tensor& gate_up);

/// Which keys a row of attention scores may see: row i of each group of `queries` rows is the query
/// at position first + i, and sees keys 0 .. first + i.
struct CausalRows {
  std::int64_t queries = 0;
  std::int64_t first = 0;
};
/// In place on scores [batch, rows, keys], contiguous: softmax(scale * scores) over visible keys, 0
/// elsewhere.
void CausalSoftmax(at::Tensor& scores, const CausalRows& rows, double scale);
/// In place on dp: p * (dp - sum(p * dp)) * scale.
void SoftmaxBackward(const at::Tensor& p, at::Tensor& dp, double scale);

/// The sum over rows of -log softmax(logits)[target] in fp64; logits [M, V] become
/// (softmax - onehot) * gradient_scale, or are left alone when that is 0. targets is int64 [M].
double CrossEntropy(at::Tensor& logits, const at::Tensor& targets, double gradient_scale);

}  // namespace lathe::trainer::kernels
