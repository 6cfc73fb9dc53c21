#pragma once
// Attention of single queries over the keys and values of their sequences so far, which are read as
// they lie. Own kernels where gemm.h has some; results depend neither on the number of threads nor
// on other sequences.

#include <ATen/core/Tensor.h>

#include <span>

#include "worker/trainer/kernels/attention.h"

namespace lathe::trainer::kernels {

/// Whose keys a row attends to.
struct CachedKeys {
  const at::Tensor& keys;    ///< [kv_heads, capacity, head_dim], contiguous
  const at::Tensor& values;  ///< likewise
  std::int64_t length = 0;   ///< keys that are seen, but for a window
};

/// Whether there is such attention for these rows [N, width of q, k, v].
bool HasCachedAttention(const at::Tensor& qkv);

/// Row i, whose own key and value are the last ones of sequences[i], to [N, heads * head_dim].
at::Tensor CachedAttention(const CausalHeads& heads, const at::Tensor& qkv,
                           std::span<const CachedKeys> sequences);

}  // namespace lathe::trainer::kernels
