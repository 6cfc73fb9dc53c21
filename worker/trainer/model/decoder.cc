#include "worker/trainer/model/decoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>

#include "common/base/check.h"
#include "worker/trainer/model/attention.h"
#include "worker/trainer/model/layer.h"
#include "worker/trainer/model/offload.h"

namespace lathe::trainer::model {
namespace {

bool IsPackable(const FusedLinear& linear) {
  return linear.quantized.empty() && kernels::GainsByKeptPanels(linear.weight.scalar_type());
}

LayerPass MakeLayerPass(const PassContext& pass) {
  LayerPass layers{pass.decoder, pass.additions, {}, pass.options.dropout_seed};
  if (pass.decoder.device().is_cuda()) {
    layers.starts = StartsOf(pass.batch.lengths, pass.decoder.device());
  }
  const std::int64_t before = pass.additions.prefix.length();
  const at::Tensor positions = before == 0 ? pass.batch.positions : pass.batch.positions + before;
  for (const Rope& rope : pass.decoder.ropes) {
    layers.ropes.push_back(rope.Rows(positions, pass.batch.lengths, before));
  }
  return layers;
}

void AddEmbeddingGradient(const PassContext& pass, at::Tensor& dx) {
  const double scale = pass.decoder.description.embedding_scale;
  if (scale != 1) dx.mul_(at::full({}, scale, dx.options()));
  pass.additions.weights.AddEmbedding(pass.decoder.embedding, pass.batch.tokens, dx);
}

at::Tensor RunForward(const PassContext& pass, const LayerPass& layers, std::size_t layer,
                      const at::Tensor& x, LayerTape* tape) {
  const AttentionShape shape = ShapeOf(pass.decoder.description, layer);
  const PrefixLayer* prefix = pass.additions.prefix.Find(layer);
  return ForwardLayer(layers, layer, x, tape, [&](const at::Tensor& qkv) {
    if (prefix == nullptr && CanPack(shape, qkv)) {
      return PackedForward(shape, layers.starts, qkv, tape == nullptr ? nullptr : &tape->packed);
    }
    at::Tensor out = at::empty({qkv.size(0), shape.heads * shape.head_dim}, qkv.options());
    std::vector<at::Tensor> p = AttentionForward(shape, {qkv, pass.batch.lengths, prefix}, out);
    if (tape != nullptr) tape->probabilities = std::move(p);
    return out;
  });
}

struct BackwardStep {
  std::size_t layer = 0;
  bool input_gradient = true;
};

void RunBackward(const PassContext& pass, const LayerPass& layers, const BackwardStep& step,
                 const LayerTape& tape, at::Tensor& dx) {
  const AttentionShape shape = ShapeOf(pass.decoder.description, step.layer);
  const PrefixLayer* prefix = pass.additions.prefix.Find(step.layer);
  const AttendBackward attend = [&](const at::Tensor& dattention) {
    if (tape.packed.log_sums.defined()) {
      return PackedBackward(shape, layers.starts,
                            {tape.qkv, tape.attention, dattention, tape.packed});
    }
    at::Tensor dqkv = at::empty_like(tape.qkv);
    AttentionBackward(shape, {tape.qkv, pass.batch.lengths, prefix}, tape.probabilities, dattention,
                      dqkv);
    return dqkv;
  };
  BackwardLayer(layers, step.layer, tape, dx, {attend, step.input_gradient});
}

/// The lowest layer with anything to train; the number of layers when there is none.
std::size_t LowestTrained(const PassContext& pass) {
  const Additions& additions = pass.additions;
  if (!additions.weights.empty() || !additions.prefix.layers.empty()) return 0;
  if (!additions.bottlenecks.empty()) return 0;
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

void AwaitOthers(const Decoder& decoder) {
  if (decoder.source) decoder.source->AwaitOthers();
}

std::int64_t PackableBytes(const Decoder& decoder) {
  if (!decoder.device().is_cpu() || decoder.source) return 0;
  std::int64_t bytes = 0;
  for (const LayerWeights& layer : decoder.layers) {
    for (const FusedLinear* linear : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down}) {
      if (IsPackable(*linear)) bytes += static_cast<std::int64_t>(linear->weight.nbytes());
    }
  }
  return bytes;
}

void KeepPacked(Decoder& decoder) {
  for (LayerWeights& layer : decoder.layers) {
    for (FusedLinear* linear : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down}) {
      if (IsPackable(*linear)) linear->kept = std::make_shared<kernels::KeptPanels>();
    }
  }
}

at::Tensor Embed(const Decoder& decoder, const at::Tensor& tokens) {
  at::Tensor x = decoder.embedding.index_select(0, tokens);
  const double scale = decoder.description.embedding_scale;
  if (scale != 1) x.mul_(at::full({}, scale, x.options()));
  return x;
}

std::vector<at::Tensor*> WeightTensors(Decoder& decoder) {
  std::vector<at::Tensor*> tensors;
  const auto add = [&](at::Tensor& tensor) {
    if (tensor.defined()) tensors.push_back(&tensor);
  };
  const auto add_linear = [&](FusedLinear& linear) {
    add(linear.weight);
    add(linear.bias);
  };
  add(decoder.embedding);
  add(decoder.final_norm);
  for (LayerWeights& layer : decoder.layers) {
    for (at::Tensor* norm : {&layer.attention_norm, &layer.mlp_norm, &layer.query_norm,
                             &layer.key_norm, &layer.attention_out_norm, &layer.mlp_out_norm}) {
      add(*norm);
    }
    for (FusedLinear* linear : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down}) {
      add_linear(*linear);
    }
  }
  if (!decoder.description.tied_embeddings) add_linear(decoder.head);
  return tensors;
}

at::Tensor ForwardLayers(const PassContext& pass, Tape* tape) {
  const LayerPass layers = MakeLayerPass(pass);
  Offloader offloader(pass.decoder.device());
  at::Tensor x = Embed(pass.decoder, pass.batch.tokens);
  LayerSource* const source = pass.decoder.source.get();
  if (source != nullptr) source->Begin({});
  for (std::size_t layer = 0; layer < pass.decoder.layers.size(); ++layer) {
    const HeldLayer held(source, layer);
    LayerTape layer_tape;
    const at::Tensor input = x;
    x = RunForward(pass, layers, layer, input, tape == nullptr ? nullptr : &layer_tape);
    if (tape == nullptr) continue;
    if (pass.options.recompute) {
      layer_tape = LayerTape{};
      layer_tape.input = input;
    }
    if (pass.options.offload) offloader.Store(layer_tape);
    tape->layers.push_back(std::move(layer_tape));
  }
  return x;
}

void BackwardLayers(const PassContext& pass, Tape& tape, at::Tensor dx) {
  const LayerPass layers = MakeLayerPass(pass);
  const std::size_t lowest = LowestTrained(pass);
  const bool full = !pass.additions.weights.empty();
  Offloader offloader(pass.decoder.device());
  if (pass.options.offload && !tape.layers.empty()) offloader.StartFetch(tape.layers.back());
  LayerSource* const source = pass.decoder.source.get();
  if (source != nullptr && lowest < pass.decoder.layers.size()) {
    source->Begin({.lowest = lowest, .downwards = true});
  }
  for (std::size_t layer = pass.decoder.layers.size(); layer > lowest; --layer) {
    const HeldLayer held(source, layer - 1);
    LayerTape current = std::move(tape.layers[layer - 1]);
    tape.layers.pop_back();  // Its memory goes when `current` does.
    if (pass.options.offload) {
      offloader.FinishFetch();
      if (layer - 1 > lowest) offloader.StartFetch(tape.layers.back());  // Beside this one's work.
    }
    if (pass.options.recompute) {
      const at::Tensor input = current.input;
      current = LayerTape{};
      RunForward(pass, layers, layer - 1, input, &current);
    }
    RunBackward(pass, layers, {layer - 1, full || layer - 1 > lowest}, current, dx);
    if (pass.options.layer_done) pass.options.layer_done(layer - 1);
  }
  if (full) AddEmbeddingGradient(pass, dx);
}

at::Tensor Logits(const Decoder& decoder, const Additions& additions, const at::Tensor& hidden) {
  const at::Tensor normed = kernels::RmsNorm(hidden, decoder.Norm(decoder.final_norm)).y;
  const LowRankGroup* group = additions.low_rank.Find(HeadGroupIndex(decoder));
  return kernels::SoftCapped(Forward(decoder.head, group, normed, nullptr).to(at::kFloat),
                             decoder.description.logit_cap);
}

}  // namespace lathe::trainer::model
