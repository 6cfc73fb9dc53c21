#pragma once
// The weights of a decoder and its frozen-base training pass, with a hand-written
// backward pass: gradients are computed for the additions only. Sequences of a micro-batch lie
// one after another without padding ([N, hidden] for N tokens in all) and never see each other.
//
// A Decoder is immutable after loading; passes may share it. One whose layers come from a source
// serves one pass at a time, and nothing but passes may look at their weights.

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <vector>

#include "worker/trainer/kernels/ops.h"
#include "worker/trainer/model/additions.h"
#include "worker/trainer/model/description.h"
#include "worker/trainer/model/layer_source.h"
#include "worker/trainer/model/linear.h"
#include "worker/trainer/model/packed_attention.h"
#include "worker/trainer/model/rope.h"

namespace lathe::trainer::model {

/// Norms that the layer's description has not are undefined.
struct LayerWeights {
  at::Tensor attention_norm;      ///< [hidden], of what attention reads
  at::Tensor mlp_norm;            ///< [hidden], of what the feed-forward layer reads
  at::Tensor query_norm;          ///< [head_dim]
  at::Tensor key_norm;            ///< [head_dim]
  at::Tensor attention_out_norm;  ///< [hidden], of what attention adds
  at::Tensor mlp_out_norm;        ///< [hidden], of what the feed-forward layer adds
  FusedLinear qkv;
  FusedLinear output;
  FusedLinear gate_up;
  FusedLinear down;
};

struct Decoder {
  ModelDescription description;
  at::Tensor embedding;  ///< [vocabulary, hidden]
  std::vector<LayerWeights> layers;
  at::Tensor final_norm;
  FusedLinear head;         ///< its weight is the embedding when they are tied
  std::vector<Rope> ropes;  ///< of the description, for positions below LoadOptions::max_positions
  std::shared_ptr<LayerSource> source;  ///< of the layers' linear weights; null: all are here

  at::Device device() const { return embedding.device(); }
  at::ScalarType dtype() const { return embedding.scalar_type(); }
  /// One of its norms over the hidden size or over heads.
  kernels::Norm Norm(const at::Tensor& weight) const {
    return {weight, description.norm_epsilon, description.norm_offset};
  }
};

/// The fused linear layers of a decoder, numbered: four a layer, then the head.
enum class Site : std::uint8_t { kQkv, kOutput, kGateUp, kDown };
inline std::size_t GroupIndex(std::size_t layer, Site site) {
  return layer * 4 + static_cast<std::size_t>(site);
}
inline std::size_t HeadGroupIndex(const Decoder& decoder) {
  return decoder.layers.size() * 4;
}
const FusedLinear& LinearAt(const Decoder& decoder, std::size_t group);

/// Bytes of the layers' linear weights that backward passes would read faster in an order of their
/// own, kept beside them (kernels/kept_panels.h); 0 where there is nothing to gain.
std::int64_t PackableBytes(const Decoder& decoder);
/// Lets backward passes keep them in that order from the first one on. The weights must not change
/// any more, and passes can no longer share the decoder.
void KeepPacked(Decoder& decoder);

/// See LayerSource; does nothing where all weights are here.
void AwaitOthers(const Decoder& decoder);

/// Every weight and bias of a decoder once: tied embeddings are one. Never undefined.
std::vector<at::Tensor*> WeightTensors(Decoder& decoder);

struct MicroBatch {
  at::Tensor tokens;     ///< int64 [N]
  at::Tensor positions;  ///< int64 [N]: 0, 1, ... in each sequence
  std::vector<std::int64_t> lengths;
};

struct PassOptions {
  std::uint64_t dropout_seed = 0;  ///< the same seed gives the same masks
  bool recompute = false;  ///< keep only each layer's input and compute the rest again in backward
  bool offload = false;    ///< what is kept waits in host memory, see offload.h
  /// Called by the backward pass when all that a layer adds to gradients is queued.
  std::function<void(std::size_t layer)> layer_done = {};
};

/// What one layer keeps for its backward pass.
struct LayerTape {
  at::Tensor input;
  at::Tensor input_rstd;
  at::Tensor heads;       ///< q and k before their norms, [N, (heads + kv_heads) * head_dim]
  at::Tensor query_rstd;  ///< [N, heads]
  at::Tensor key_rstd;    ///< [N, kv_heads]
  at::Tensor qkv;         ///< normed and rotated
  std::vector<at::Tensor> probabilities;  ///< one a sequence; none of packed attention
  PackedTape packed;
  at::Tensor attention;
  at::Tensor attention_added;  ///< what attention adds, before its norm; undefined without one
  at::Tensor attention_added_rstd;
  at::Tensor middle;  ///< input + what attention adds
  at::Tensor middle_rstd;
  at::Tensor gate_up;
  at::Tensor mlp_added;  ///< likewise for the feed-forward layer
  at::Tensor mlp_added_rstd;
  LinearTape qkv_tape;
  LinearTape output_tape;
  LinearTape gate_up_tape;
  LinearTape down_tape;
  BottleneckTape attention_bottleneck;
  BottleneckTape mlp_bottleneck;
};

struct Tape {
  std::vector<LayerTape> layers;
};

struct PassContext {
  const Decoder& decoder;
  const Additions& additions;
  const MicroBatch& batch;
  const PassOptions& options;
};

/// The scaled embeddings of tokens, [N, hidden].
at::Tensor Embed(const Decoder& decoder, const at::Tensor& tokens);

/// The hidden states before the final norm, [N, hidden]. tape may be nullptr (evaluation: no
/// dropout either).
at::Tensor ForwardLayers(const PassContext& pass, Tape* tape);

/// Adds to the gradients of the additions in the layers; dx [N, hidden] is the gradient of
/// what ForwardLayers returned and is used up, as is the tape.
void BackwardLayers(const PassContext& pass, Tape& tape, at::Tensor dx);

/// fp32 logits [N, vocabulary] of hidden states before the final norm.
at::Tensor Logits(const Decoder& decoder, const Additions& additions, const at::Tensor& hidden);

}  // namespace lathe::trainer::model
