#pragma once
// Causal attention of one sequence with grouped key/value heads, by batched matrix products over
// key/value heads: the queries of a group share one product with their keys, so keys are never
// repeated. Probabilities of short sequences are kept for the backward pass, those of long ones
// are computed again block by block, which bounds memory at kBlock * T * heads. Keys that no query
// of a block sees, later ones or those before its window, are left out.

#include <ATen/core/Tensor.h>

#include <vector>

#include "worker/trainer/kernels/attention.h"
#include "worker/trainer/kernels/ops.h"
#include "worker/trainer/model/additions.h"
#include "worker/trainer/model/description.h"

namespace lathe::trainer::model {

using AttentionShape = kernels::CausalHeads;

/// The columns of q, of k, and of both in a row of q, k, v.
inline kernels::HeadSpan QuerySpan(const ModelDescription& d) {
  return {0, d.heads, d.head_dim};
}
inline kernels::HeadSpan KeySpan(const ModelDescription& d) {
  return {d.QueryWidth(), d.kv_heads, d.head_dim};
}
inline kernels::HeadSpan RotatedSpan(const ModelDescription& d) {
  return {0, d.heads + d.kv_heads, d.head_dim};
}

AttentionShape ShapeOf(const ModelDescription& description, std::size_t layer);

/// Query rows that are worked on at a time.
inline constexpr std::int64_t kAttentionBlock = 512;

/// What one sequence attends to.
struct AttentionInput {
  const at::Tensor& qkv;                ///< [T, (heads + 2 kv_heads) * head_dim], rotated
  const PrefixLayer* prefix = nullptr;  ///< P keys and values before them; may be nullptr
};

/// Writes out [T, heads * head_dim]. Returns the probabilities [kv_heads, group * T, P + T] when
/// T <= kAttentionBlock, else an undefined tensor.
at::Tensor AttentionForward(const AttentionShape& shape, const AttentionInput& input,
                            at::Tensor& out);

/// probabilities: what the forward pass returned. Writes dqkv (the shape of
/// qkv) from dout (the shape of out) and adds to the gradients of the prefix.
void AttentionBackward(const AttentionShape& shape, const AttentionInput& input,
                       const at::Tensor& probabilities, const at::Tensor& dout, at::Tensor& dqkv);

/// Sequences one after another.
struct SequencesInput {
  const at::Tensor& qkv;                     ///< [N, (heads + 2 kv_heads) * head_dim], rotated
  const std::vector<std::int64_t>& lengths;  ///< they add up to N
  const PrefixLayer* prefix = nullptr;       ///< may be nullptr
};

/// AttentionForward of each sequence; those that kernels can do whole are done together. Writes out
/// [N, heads * head_dim] and returns the sequences' probabilities.
std::vector<at::Tensor> AttentionForward(const AttentionShape& shape, const SequencesInput& input,
                                         at::Tensor& out);
/// AttentionBackward of each sequence. Writes dqkv from dout [N, heads * head_dim].
void AttentionBackward(const AttentionShape& shape, const SequencesInput& input,
                       const std::vector<at::Tensor>& probabilities, const at::Tensor& dout,
                       at::Tensor& dqkv);

/// For generation: the last queries.size(0) positions of a sequence attend to all its keys.
/// queries [Q, heads * head_dim], keys and values [kv_heads, T, head_dim]; returns [Q, heads *
/// head_dim].
at::Tensor AttentionOverCache(const AttentionShape& shape, const at::Tensor& queries,
                              const at::Tensor& keys, const at::Tensor& values);

}  // namespace lathe::trainer::model
