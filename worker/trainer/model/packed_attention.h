#pragma once
// Attention of all sequences of a micro-batch in one call, by torch's flash kernels
// (https://arxiv.org/abs/2307.08691): scores never reach memory, and no sequence sees another. On a
// GPU and in bf16 or fp16; attention.h computes everything else.

#include <ATen/core/Tensor.h>

#include <vector>

#include "worker/trainer/model/attention.h"

namespace lathe::trainer::model {

/// Where the sequences of a micro-batch begin, and where the last one ends.
struct SequenceStarts {
  at::Tensor rows;           ///< int32 [sequences + 1]
  std::int64_t longest = 0;  ///< tokens
};
SequenceStarts StartsOf(const std::vector<std::int64_t>& lengths, const at::Device& device);

/// Whether these kernels compute it: no soft cap, heads of at most 256 values.
bool CanPack(const AttentionShape& shape, const at::Tensor& qkv);

/// What the backward pass needs beside q, k, v and the output.
struct PackedTape {
  at::Tensor log_sums;
  at::Tensor random_state;  ///< of no dropout; the kernels want it back
  at::Tensor unused;
};

/// qkv [N, (heads + 2 kv_heads) * head_dim], rotated; returns [N, heads * head_dim]. tape may be
/// nullptr.
at::Tensor PackedForward(const AttentionShape& shape, const SequenceStarts& starts,
                         const at::Tensor& qkv, PackedTape* tape);

struct PackedBackwardInput {
  const at::Tensor& qkv;
  const at::Tensor& out;  ///< what the forward pass returned
  const at::Tensor& dout;
  const PackedTape& tape;
};
/// The gradient of qkv. Sums are in an order that does not change from run to run.
at::Tensor PackedBackward(const AttentionShape& shape, const SequenceStarts& starts,
                          const PackedBackwardInput& input);

}  // namespace lathe::trainer::model
