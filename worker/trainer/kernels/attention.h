#pragma once
// Causal attention of whole sequences on a CPU, by the tiles that products are made of: a thread
// takes the queries that share a head of keys, of one sequence, and does all with them that there
// is to do. Keys that a block of queries does not see are not computed. For the processors and
// types of gemm.h; results do not depend on the number of threads.

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

/// Whether there is such attention for these rows [N, width of q, k, v].
bool HasCausalAttention(const CausalHeads& heads, const at::Tensor& qkv);

/// Writes the sequences' rows of out [N, heads * head_dim]. probabilities, one a sequence, become
/// [kv_heads, heads / kv_heads * length, length] in the type of qkv.
void CausalAttention(const CausalHeads& heads, std::span<const SequenceRows> sequences,
                     const at::Tensor& qkv, const at::Tensor& out,
                     std::span<at::Tensor> probabilities);

struct CausalAttentionTape {
  const at::Tensor& qkv;
  std::span<const at::Tensor> probabilities;  ///< as CausalAttention made them
};
/// Writes the sequences' rows of dqkv, the gradient of qkv, from that of out.
void CausalAttentionBackward(const CausalHeads& heads, std::span<const SequenceRows> sequences,
                             const CausalAttentionTape& tape, const at::Tensor& dout,
                             const at::Tensor& dqkv);

}  // namespace lathe::trainer::kernels
