#pragma once
// Prefix tuning (https://arxiv.org/abs/2101.00190): keys and values of virtual tokens in front of
// every sequence, in every layer. In PEFT's layout: prompt_embeddings [length, W], where a row
// holds [layer 0 keys, layer 0 values, layer 1 keys, ...] of kv_heads * head_dim each, so that W =
// layers * 2 * kv_heads * head_dim. Keys are rotated already and real tokens have positions from
// `length` on.
//
// With a projection, what is trained is an embedding of the virtual tokens and a network that makes
// the rows of it (tanh between two linear layers, as in PEFT); what is saved are the rows.

#include <filesystem>
#include <optional>

#include "worker/trainer/adapters/trainable.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::adapters {

struct PrefixSettings {
  std::int64_t length = 20;
  std::optional<std::int64_t> projection_size;  ///< of the network's hidden layer; none: no network
};

/// W, see above.
std::int64_t PrefixWidth(const model::Decoder& decoder);

/// A prefix that starts as `rows`, fp32 [length, W]: those of real tokens, without which prefix
/// tuning hardly learns. With a projection of at least the prefix's length the network is drawn
/// from the seed and then fitted to give the rows; a smaller one gives the nearest that it can.
Trainable StartPrefix(const model::Decoder& decoder, const PrefixSettings& settings,
                      const at::Tensor& rows, std::uint64_t seed);

/// The number of virtual tokens in a folder that PEFT or Trainable::Save wrote. kInvalidArgument
/// when it does not say a sensible one.
Result<std::int64_t> ReadPrefixLength(const std::filesystem::path& folder);

/// A saved prefix for inference.
Result<model::Additions> LoadPrefix(const model::Decoder& decoder,
                                    const std::filesystem::path& folder);

}  // namespace lathe::trainer::adapters
