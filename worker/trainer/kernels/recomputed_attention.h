#pragma once
// Attention of one sequence that keeps nothing for its backward pass, which computes the
// probabilities again: for long sequences, keys that stand in front of a sequence's own, and capped
// scores. Memory grows with the length, not with its square: scores exist for a block of queries in
// the forward pass, for a chunk of them in the backward pass. All threads work at one sequence, and
// results do not depend on their number. Private to this room; for what HasCausalAttention accepts.

#include <ATen/core/Tensor.h>

#include "worker/trainer/kernels/attention.h"

namespace lathe::trainer::kernels {

/// Writes the sequence's rows of out.
void RecomputedAttention(const CausalHeads& heads, const SequenceRows& rows,
                         const AttentionOperands& operands, const at::Tensor& out);

/// Writes the sequence's rows of dqkv and adds to the gradients of the keys in front.
void RecomputedAttentionBackward(const CausalHeads& heads, const SequenceRows& rows,
                                 const AttentionOperands& operands, const at::Tensor& dout,
                                 const at::Tensor& dqkv);

}  // namespace lathe::trainer::kernels
