#pragma once
// What a decoder looks like: sizes and switches, read from a Hugging Face config.json or from a
// GGUF file's metadata. A plain value that says everything about the family: nothing that computes
// asks which one it is. Both readers refuse what the decoder cannot compute exactly, naming the
// key.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/gguf.h"
#include "worker/trainer/kernels/activation.h"
#include "worker/trainer/model/rope_description.h"

namespace lathe::trainer::model {

/// One layer. Scores are softmax(cap(scale * q k)).
struct LayerDescription {
  std::optional<std::size_t> rope =
      0;                    ///< which of the model's ropes; none: positions are not used
  std::int64_t window = 0;  ///< a token sees itself and window - 1 before it; 0: all before it
  double score_scale = 1;
  double score_cap = 0;  ///< 0: none
  kernels::Activation activation = kernels::Activation::kSilu;
  bool head_norms = false;      ///< q and k are normed over each head before they are rotated
  bool sandwich_norms = false;  ///< what attention and feed-forward add is normed, too
};

/// Which linear layers have biases.
struct Biases {
  bool qkv = false;
  bool output = false;
  bool mlp = false;
};

struct ModelDescription {
  std::string architecture;  ///< as config.json and GGUF name it: "llama", "gemma3_text"
  std::int64_t vocabulary = 0;
  std::int64_t hidden = 0;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t intermediate = 0;
  std::int64_t context = 0;  ///< the longest sequence that it was trained for
  double norm_epsilon = 1e-5;
  double norm_offset = 0;      ///< added to the weight of every norm
  double embedding_scale = 1;  ///< embeddings are multiplied by it, rounded to their type
  double logit_cap = 0;        ///< 0: none
  std::vector<RopeDescription> ropes;
  std::vector<LayerDescription> layer;  ///< one for each
  bool tied_embeddings = false;
  Biases biases;
  /// q, k, v are one linear layer "qkv_proj" to whoever names layers, and gate, up "gate_up_proj".
  bool fused_names = false;
  /// GGUF files hold the rows of q and k in the order of interleaved rotary pairs.
  bool gguf_interleaves = false;
  std::vector<std::int64_t> end_tokens;  ///< generation stops at any of them

  std::int64_t QueryWidth() const { return heads * head_dim; }
  std::int64_t KeyWidth() const { return kv_heads * head_dim; }
  std::int64_t QkvWidth() const { return QueryWidth() + 2 * KeyWidth(); }
};

/// From FOLDER/config.json (both spellings in use: rope_theta/torch_dtype and
/// rope_parameters/dtype) and, for end tokens, generation_config.json.
Result<ModelDescription> DescribeFolder(const std::filesystem::path& folder);
Result<ModelDescription> DescribeGguf(const formats::Gguf& gguf);

}  // namespace lathe::trainer::model
