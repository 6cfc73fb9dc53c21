#include "worker/trainer/model/decoder.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "common/base/check.h"
#include "worker/trainer/kernels/ops.h"
#include "worker/trainer/model/attention.h"
#include "worker/trainer/model/dropout.h"

namespace lathe::trainer::model {
namespace {

/// What the layers of one pass share.
struct Shared {
  const PassContext& pass;
  AttentionShape shape;
  at::Tensor cosine;  ///< [N, head_dim / 2]
  at::Tensor sine;
};

Shared MakeShared(const PassContext& pass) {
  const ModelDescription& d = pass.decoder.description;
  const RopeTable& rope = pass.decoder.rope;
  return {pass,
          {d.heads, d.kv_heads, d.head_dim},
          rope.cosine.index_select(0, pass.batch.positions),
          rope.sine.index_select(0, pass.batch.positions)};
}

/// The forward pass of one numbered linear layer; draws its dropout mask when training.
at::Tensor Apply(const PassContext& pass, std::size_t index, const at::Tensor& x,
                 LinearTape* tape) {
  const LowRankGroup* group = pass.additions.low_rank.Find(index);
  if (tape != nullptr && group != nullptr && pass.additions.low_rank.dropout > 0) {
    tape->dropout_mask =
        DropoutMask(x, pass.additions.low_rank.dropout, MixSeed(pass.options.dropout_seed, index));
  }
  return Forward(LinearAt(pass.decoder, index), group, x, tape);
}

at::Tensor Attend(const Shared& shared, const at::Tensor& qkv, LayerTape* tape) {
  at::Tensor out =
      at::empty({qkv.size(0), shared.shape.heads * shared.shape.head_dim}, qkv.options());
  std::int64_t begin = 0;
  for (const std::int64_t length : shared.pass.batch.lengths) {
    at::Tensor rows = out.narrow(0, begin, length);
    at::Tensor p = AttentionForward(shared.shape, qkv.narrow(0, begin, length), rows);
    if (tape != nullptr) tape->probabilities.push_back(std::move(p));
    begin += length;
  }
  return out;
}

at::Tensor ForwardLayer(const Shared& shared, std::size_t layer, const at::Tensor& x,
                        LayerTape* tape) {
  const PassContext& pass = shared.pass;
  const LayerWeights& w = pass.decoder.layers[layer];
  const double epsilon = pass.decoder.description.rms_epsilon;
  const auto apply = [&](Site site, const at::Tensor& in, LinearTape* linear_tape) {
    return Apply(pass, GroupIndex(layer, site), in, linear_tape);
  };
  const kernels::RmsNormResult first = kernels::RmsNorm(x, w.attention_norm, epsilon);
  at::Tensor qkv = apply(Site::kQkv, first.y, tape ? &tape->qkv_tape : nullptr);
  kernels::ApplyRope(qkv, shared.shape.heads + shared.shape.kv_heads, shared.cosine, shared.sine,
                     kernels::Rotation::kForward);
  const at::Tensor attention = Attend(shared, qkv, tape);
  const at::Tensor middle =
      apply(Site::kOutput, attention, tape ? &tape->output_tape : nullptr).add_(x);
  const kernels::RmsNormResult second = kernels::RmsNorm(middle, w.mlp_norm, epsilon);
  const at::Tensor gate_up = apply(Site::kGateUp, second.y, tape ? &tape->gate_up_tape : nullptr);
  at::Tensor out =
      apply(Site::kDown, kernels::SwiGlu(gate_up), tape ? &tape->down_tape : nullptr).add_(middle);
  if (tape != nullptr) {
    tape->input = x;
    tape->input_rstd = first.rstd;
    tape->qkv = qkv;
    tape->attention = attention;
    tape->middle = middle;
    tape->middle_rstd = second.rstd;
    tape->gate_up = gate_up;
  }
  return out;
}

/// The backward pass of one layer: `d` holds the gradient of its output and, after, of its input.
class LayerBackward {
 public:
  LayerBackward(const Shared& shared, std::size_t layer, const LayerTape& tape, at::Tensor& d)
      : shared_(shared),
        pass_(shared.pass),
        layer_(layer),
        weights_(pass_.decoder.layers[layer]),
        tape_(tape),
        d_(d) {}

  void Mlp() {
    const at::Tensor act = NeedsInput(Site::kDown) ? kernels::SwiGlu(tape_.gate_up) : at::Tensor();
    const at::Tensor dact = Linear(Site::kDown, {d_, act, tape_.down_tape});
    const at::Tensor dgate_up = kernels::SwiGluBackward(dact, tape_.gate_up);
    const at::Tensor x = Normed(Site::kGateUp, tape_.middle, weights_.mlp_norm);
    const at::Tensor dx = Linear(Site::kGateUp, {dgate_up, x, tape_.gate_up_tape});
    kernels::AddRmsNormBackward(dx, tape_.middle, weights_.mlp_norm, tape_.middle_rstd, d_);
  }

  /// Without input_gradient, d is left as it is: nothing below this layer is trained.
  void Attention(bool input_gradient) {
    const at::Tensor dattention = Linear(Site::kOutput, {d_, tape_.attention, tape_.output_tape});
    at::Tensor dqkv = at::empty_like(tape_.qkv);
    std::int64_t begin = 0;
    for (std::size_t i = 0; i < pass_.batch.lengths.size(); ++i) {
      const std::int64_t length = pass_.batch.lengths[i];
      at::Tensor rows = dqkv.narrow(0, begin, length);
      AttentionBackward(shared_.shape, tape_.qkv.narrow(0, begin, length), tape_.probabilities[i],
                        dattention.narrow(0, begin, length), rows);
      begin += length;
    }
    kernels::ApplyRope(dqkv, shared_.shape.heads + shared_.shape.kv_heads, shared_.cosine,
                       shared_.sine, kernels::Rotation::kInverse);
    const at::Tensor x = Normed(Site::kQkv, tape_.input, weights_.attention_norm);
    const at::Tensor dx = Linear(Site::kQkv, {dqkv, x, tape_.qkv_tape, input_gradient});
    if (!input_gradient) return;
    kernels::AddRmsNormBackward(dx, tape_.input, weights_.attention_norm, tape_.input_rstd, d_);
  }

 private:
  bool NeedsInput(Site site) const {
    return pass_.additions.low_rank.Find(GroupIndex(layer_, site)) != nullptr;
  }
  at::Tensor Linear(Site site, const LinearBackward& arguments) const {
    const std::size_t index = GroupIndex(layer_, site);
    return Backward(LinearAt(pass_.decoder, index), pass_.additions.low_rank.Find(index),
                    arguments);
  }
  /// The normed input of a linear layer again, where its A needs it for its gradient.
  at::Tensor Normed(Site site, const at::Tensor& x, const at::Tensor& weight) const {
    if (!NeedsInput(site)) return {};
    return kernels::RmsNorm(x, weight, pass_.decoder.description.rms_epsilon).y;
  }

  const Shared& shared_;
  const PassContext& pass_;
  std::size_t layer_;
  const LayerWeights& weights_;
  const LayerTape& tape_;
  at::Tensor& d_;
};

/// The lowest layer with anything to train; the number of layers when there is none.
std::size_t LowestTrained(const PassContext& pass) {
  for (std::size_t group = 0; group < HeadGroupIndex(pass.decoder); ++group) {
    if (pass.additions.low_rank.Find(group) != nullptr) return group / 4;
  }
  return pass.decoder.layers.size();
}

}  // namespace

const FusedLinear& LinearAt(const Decoder& decoder, std::size_t group) {
  if (group == HeadGroupIndex(decoder)) return decoder.head;
  const LayerWeights& layer = decoder.layers[group / 4];
  switch (static_cast<Site>(group % 4)) {
    case Site::kQkv:
      return layer.qkv;
    case Site::kOutput:
      return layer.output;
    case Site::kGateUp:
      return layer.gate_up;
    case Site::kDown:
      return layer.down;
  }
  LATHE_CHECK(false, "no such linear layer");
}

at::Tensor ForwardLayers(const PassContext& pass, Tape* tape) {
  const Shared shared = MakeShared(pass);
  at::Tensor x = pass.decoder.embedding.index_select(0, pass.batch.tokens);
  for (std::size_t layer = 0; layer < pass.decoder.layers.size(); ++layer) {
    LayerTape layer_tape;
    const at::Tensor input = x;
    x = ForwardLayer(shared, layer, input, tape == nullptr ? nullptr : &layer_tape);
    if (tape == nullptr) continue;
    if (pass.options.recompute) {
      layer_tape = LayerTape{};
      layer_tape.input = input;
    }
    tape->layers.push_back(std::move(layer_tape));
  }
  return x;
}

void BackwardLayers(const PassContext& pass, Tape& tape, at::Tensor dx) {
  const Shared shared = MakeShared(pass);
  const std::size_t lowest = LowestTrained(pass);
  for (std::size_t layer = pass.decoder.layers.size(); layer > lowest; --layer) {
    LayerTape current = std::move(tape.layers[layer - 1]);
    tape.layers.pop_back();  // Its memory goes when `current` does.
    if (pass.options.recompute) {
      const at::Tensor input = current.input;
      current = LayerTape{};
      ForwardLayer(shared, layer - 1, input, &current);
    }
    LayerBackward backward(shared, layer - 1, current, dx);
    backward.Mlp();
    backward.Attention(layer - 1 > lowest);
  }
}

at::Tensor Logits(const Decoder& decoder, const Additions& additions, const at::Tensor& hidden) {
  const at::Tensor normed =
      kernels::RmsNorm(hidden, decoder.final_norm, decoder.description.rms_epsilon).y;
  const LowRankGroup* group = additions.low_rank.Find(HeadGroupIndex(decoder));
  return Forward(decoder.head, group, normed, nullptr).to(at::kFloat);
}

}  // namespace lathe::trainer::model
