#pragma once
// The decoder's operations that are not matrix products, on tensors: fused row kernels on the CPU,
// chains of ATen operations elsewhere. Forward and hand-written backward; nothing here records an
// autograd graph. Activations are fp32, bf16 or fp16, contiguous in their last dimension;
// reductions are fp32. N is the number of tokens.

#include <ATen/core/Tensor.h>

#include "worker/trainer/kernels/activation.h"

namespace lathe::trainer::kernels {

struct Norm {
  at::Tensor weight;  ///< of the size of what is normed
  double epsilon = 1e-5;
  double offset = 0;  ///< added to every weight
};

struct RmsNormResult {
  at::Tensor y;     ///< [N, H]
  at::Tensor rstd;  ///< [N] fp32
};
/// y = x / sqrt(mean(x^2) + epsilon) * (offset + weight), over the last dimension of x [N, H].
RmsNormResult RmsNorm(const at::Tensor& x, const Norm& norm);
/// dx += the gradient with respect to x, in place.
void AddRmsNormBackward(const at::Tensor& dy, const at::Tensor& x, const Norm& norm,
                        const at::Tensor& rstd, at::Tensor& dx);

/// Heads that lie one after another in each row, from column `begin` on.
struct HeadSpan {
  std::int64_t begin = 0;
  std::int64_t count = 0;
  std::int64_t head_dim = 0;
};

/// Norms each head of the span for itself, in place; the norm's weight is [head_dim]. Returns rstd
/// [N, count].
at::Tensor NormHeads(at::Tensor& x, const HeadSpan& span, const Norm& norm);
/// In place on the span of d: from the gradient of the normed heads to that of x, which holds the
/// heads before the norm in the same columns.
void NormHeadsBackward(at::Tensor& d, const at::Tensor& x, const HeadSpan& span, const Norm& norm,
                       const at::Tensor& rstd);

enum class Rotation { kForward, kInverse };
/// Rotates the heads of each row of x in place. cosine and sine are fp32 [N, R / 2], one row a
/// token; the first R <= head_dim values of each head turn in pairs (i, i + R / 2), as in Hugging
/// Face models, and the rest stays.
void ApplyRope(at::Tensor& x, const HeadSpan& span, const at::Tensor& cosine,
               const at::Tensor& sine, Rotation rotation);

/// activation(gate) * up, where gate_up [N, 2I] holds gate then up.
at::Tensor Gated(Activation activation, const at::Tensor& gate_up);
/// The gradient with respect to gate_up. out, if given, becomes Gated(activation, gate_up), which
/// costs little here.
at::Tensor GatedBackward(Activation activation, const at::Tensor& dout, const at::Tensor& gate_up,
                         at::Tensor* out = nullptr);

/// Which keys a row of attention scores may see. Row i of each group of `queries` rows is the query
/// at position p = first + i; column j is the key at position first_key + j. Visible are the keys
/// at positions <= p and, with a window, > p - window; every row sees its own.
struct CausalRows {
  std::int64_t queries = 0;
  std::int64_t first = 0;
  std::int64_t first_key = 0;
  std::int64_t window = 0;  ///< 0: none
};
/// What becomes of a score before the softmax: times scale and, with a cap above 0,
/// cap * tanh(x / cap).
struct ScoreScaling {
  double scale = 1;
  double cap = 0;
};
/// In place on scores [batch, rows, keys], contiguous: softmax over visible keys, 0 elsewhere.
void CausalSoftmax(at::Tensor& scores, const CausalRows& rows, const ScoreScaling& scaling);
/// In place on dp: p * (dp - sum(p * dp)) * scale.
void SoftmaxBackward(const at::Tensor& p, at::Tensor& dp, double scale);
/// In place on dscores: times the slope of the cap, where scores are as they were before the
/// softmax.
void SoftCapBackward(const at::Tensor& scores, at::Tensor& dscores, const ScoreScaling& scaling);

/// x, or with a cap above 0 cap * tanh(x / cap).
at::Tensor SoftCapped(const at::Tensor& x, double cap);

}  // namespace lathe::trainer::kernels
