#pragma once
// Causal attention of whole sequences on a CPU, by the tiles that products are made of. Of short
// sequences a thread takes the queries that share a head of keys and does all with them that there
// is to do; what those take that keep nothing is in recomputed_attention.h. Keys that a block of
// queries does not see are not computed. For the processors and types of gemm.h; results do not
// depend on the number of threads.

#include <ATen/core/Tensor.h>

#include <span>

#include "worker/trainer/kernels/ops.h"

namespace lathe::trainer::kernels {

/// A row holds the queries of `heads` heads, then keys and values of kv_heads heads each.
struct CausalHeads {
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t window = 0;  ///< 0: none
  ScoreScaling scaling;
};

/// Rows of one sequence within those of a micro-batch.
struct SequenceRows {
  std::int64_t begin = 0;
  std::int64_t length = 0;
};

/// Keys and values of virtual tokens that every sequence has in front of its own, and sees whole.
struct KeyPrefix {
  at::Tensor keys;          ///< [kv_heads, length, head_dim] in the compute type, rotated already
  at::Tensor values;        ///< likewise
  at::Tensor key_gradient;  ///< the same shape, fp32; undefined for inference
  at::Tensor value_gradient;
};

struct AttentionOperands {
  const at::Tensor& qkv;              ///< [N, width of q, k, v]
  const KeyPrefix* prefix = nullptr;  ///< may be nullptr
};

/// Whether there is such attention for these rows [N, width of q, k, v].
bool HasCausalAttention(const at::Tensor& qkv);

/// Writes the sequences' rows of out [N, heads * head_dim]. probabilities, one a sequence, become
/// [kv_heads, heads / kv_heads * length, length] in the type of qkv, or undefined where the
/// backward pass computes them again: of long sequences, with a prefix, with capped scores.
void CausalAttention(const CausalHeads& heads, std::span<const SequenceRows> sequences,
                     const AttentionOperands& operands, const at::Tensor& out,
                     std::span<at::Tensor> probabilities);

struct CausalAttentionTape {
  AttentionOperands operands;
  std::span<const at::Tensor> probabilities;  ///< as CausalAttention made them
};
/// Writes the sequences' rows of dqkv, the gradient of qkv, from that of out; adds to the gradients
/// of the prefix.
void CausalAttentionBackward(const CausalHeads& heads, std::span<const SequenceRows> sequences,
                             const CausalAttentionTape& tape, const at::Tensor& dout,
                             const at::Tensor& dqkv);

}  // namespace lathe::trainer::kernels
