#pragma once
// A decoder that continues a sequence: keys and values of all positions so far are kept, so that
// each new token costs one row.

#include <ATen/core/Tensor.h>

#include <vector>

#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::inference {

/// Keys and values of one sequence. Not thread-safe.
struct KeyValueCache {
  std::vector<at::Tensor> keys;    ///< one a layer, [kv_heads, capacity, head_dim]
  std::vector<at::Tensor> values;  ///< likewise
  at::Tensor tokens;               ///< int64 [capacity], what has been appended
  std::int64_t prefix = 0;         ///< virtual tokens at its beginning
  std::int64_t length = 0;         ///< with them
  std::int64_t capacity = 0;       ///< likewise
};

/// For up to `tokens` tokens of a sequence; holds the prefix of the additions, if there is one.
KeyValueCache MakeCache(const model::Decoder& decoder, const model::Additions& additions,
                        std::int64_t tokens);

/// Appends tokens (int64 [Q], Q <= capacity - length) and returns the fp32 logits [vocabulary] of
/// what follows the last of them: those of a full forward pass. Where a longer sequence turns its
/// positions by other angles (see model::Rope::Continues), all tokens are computed again.
at::Tensor Append(const model::Decoder& decoder, const model::Additions& additions,
                  const at::Tensor& tokens, KeyValueCache& cache);

/// Appends one token (int64 [B]) to each of B sequences at once, which costs little more than one
/// of them: fp32 logits [B, vocabulary], as Append gives them one by one but for rounding. The
/// caches were made with the same additions.
at::Tensor AppendToEach(const model::Decoder& decoder, const model::Additions& additions,
                        const at::Tensor& tokens, const std::vector<KeyValueCache*>& caches);

}  // namespace lathe::trainer::inference
