#include <ATen/ops/zeros_like.h>

#include "worker/trainer/kernels/ops.h"
#include "worker/trainer/model/layer.h"

namespace lathe::trainer::model {
namespace {

/// `d` holds the gradient of the layer's output and, after, of its input.
class LayerBackward {
 public:
  LayerBackward(const LayerPass& pass, std::size_t layer, const LayerTape& tape, at::Tensor& d)
      : pass_(pass),
        layer_(layer),
        description_(pass.decoder.description.layer[layer]),
        weights_(pass.decoder.layers[layer]),
        tape_(tape),
        d_(d) {}

  void Mlp() {
    const kernels::Activation activation = description_.activation;
    const at::Tensor dout = ThroughBottleneck(&BottleneckSet::mlp, tape_.mlp_bottleneck);
    const at::Tensor dadded =
        Added(weights_.mlp_out_norm, {dout, tape_.mlp_added, tape_.mlp_added_rstd});
    // What the layer below the gate has read comes with the gate's gradient; only gradients of
    // weights want it sooner.
    const bool full = !pass_.additions.weights.empty();
    at::Tensor act = full ? kernels::Gated(activation, tape_.gate_up) : at::Tensor();
    at::Tensor for_a;
    const at::Tensor dact =
        Linear(Site::kDown, {dadded, act, tape_.down_tape, true, full ? nullptr : &for_a});
    const at::Tensor dgate_up =
        kernels::GatedBackward(activation, dact, tape_.gate_up, for_a.defined() ? &act : nullptr);
    if (for_a.defined()) {
      AddGradientOfA(*pass_.additions.low_rank.Find(GroupIndex(layer_, Site::kDown)), for_a, act,
                     tape_.down_tape);
    }
    const at::Tensor x = Normed(Site::kGateUp, tape_.middle, weights_.mlp_norm);
    const at::Tensor dx = Linear(Site::kGateUp, {dgate_up, x, tape_.gate_up_tape});
    AddNormBackward(weights_.mlp_norm, {dx, tape_.middle, tape_.middle_rstd}, d_);
  }

  void Attention(const LayerBackwardOptions& options) {
    const at::Tensor dout =
        ThroughBottleneck(&BottleneckSet::attention, tape_.attention_bottleneck);
    const at::Tensor dadded = Added(weights_.attention_out_norm,
                                    {dout, tape_.attention_added, tape_.attention_added_rstd});
    at::Tensor dqkv =
        options.attend(Linear(Site::kOutput, {dadded, tape_.attention, tape_.output_tape}));
    Unrotate(dqkv);
    if (description_.head_norms) HeadNorms(dqkv);
    const at::Tensor x = Normed(Site::kQkv, tape_.input, weights_.attention_norm);
    const at::Tensor dx = Linear(Site::kQkv, {dqkv, x, tape_.qkv_tape, options.input_gradient});
    if (!options.input_gradient) return;
    AddNormBackward(weights_.attention_norm, {dx, tape_.input, tape_.input_rstd}, d_);
  }

 private:
  /// What the backward pass of a norm reads: the gradient of its output, its input, and the
  /// reciprocal of the input's root mean square.
  struct NormTape {
    const at::Tensor& dy;
    const at::Tensor& x;
    const at::Tensor& rstd;
  };

  kernels::Norm Norm(const at::Tensor& weight) const { return pass_.decoder.Norm(weight); }

  /// The gradient of what a sublayer adds to the residual stream, before the norm of that.
  at::Tensor Added(const at::Tensor& weight, const NormTape& tape) const {
    if (!description_.sandwich_norms) return tape.dy;
    at::Tensor dadded = at::zeros_like(tape.x);
    AddNormBackward(weight, tape, dadded);
    return dadded;
  }

  /// Through the bottleneck module, if there is one: returns the gradient of what the sublayer adds
  /// and leaves that of the stream in `d`.
  at::Tensor ThroughBottleneck(std::vector<Bottleneck> BottleneckSet::*modules,
                               const BottleneckTape& tape) const {
    const std::vector<BottleneckSet>& sets = pass_.additions.bottlenecks;
    if (sets.empty() || (sets[0].*modules).empty()) return d_;
    const BottleneckGradients gradients =
        BackwardBottleneck(sets[0], (sets[0].*modules)[layer_], tape, d_);
    d_ = gradients.stream;
    return gradients.added;
  }

  void Unrotate(at::Tensor& dqkv) const {
    if (!description_.rope) return;
    const RopeTable& rope = pass_.ropes[*description_.rope];
    kernels::ApplyRope(dqkv, RotatedSpan(pass_.decoder.description), rope.cosine, rope.sine,
                       kernels::Rotation::kInverse);
  }

  void HeadNorms(at::Tensor& dqkv) const {
    const ModelDescription& d = pass_.decoder.description;
    NormHeadsBackward(dqkv, QuerySpan(d), weights_.query_norm, tape_.query_rstd);
    NormHeadsBackward(dqkv, KeySpan(d), weights_.key_norm, tape_.key_rstd);
  }
  void NormHeadsBackward(at::Tensor& dqkv, const kernels::HeadSpan& span, const at::Tensor& weight,
                         const at::Tensor& rstd) const {
    const auto heads = [&](const at::Tensor& x) {
      return x.narrow(1, span.begin, span.count * span.head_dim)
          .unflatten(1, {span.count, span.head_dim});
    };
    pass_.additions.weights.AddNorm(weight, heads(dqkv), heads(tape_.heads), rstd);
    kernels::NormHeadsBackward(dqkv, tape_.heads, span, Norm(weight), rstd);
  }

  /// dx += the gradient of a norm's input.
  void AddNormBackward(const at::Tensor& weight, const NormTape& tape, at::Tensor& dx) const {
    pass_.additions.weights.AddNorm(weight, tape.dy, tape.x, tape.rstd);
    kernels::AddRmsNormBackward(tape.dy, tape.x, Norm(weight), tape.rstd, dx);
  }

  bool NeedsInput(Site site) const {
    return !pass_.additions.weights.empty() ||
           pass_.additions.low_rank.Find(GroupIndex(layer_, site)) != nullptr;
  }
  at::Tensor Linear(Site site, const LinearBackward& arguments) const {
    const std::size_t index = GroupIndex(layer_, site);
    const FusedLinear& linear = LinearAt(pass_.decoder, index);
    pass_.additions.weights.AddLinear(linear, arguments.dy, arguments.x);
    return Backward(linear, pass_.additions.low_rank.Find(index), arguments);
  }
  /// The normed input of a linear layer again, where a gradient needs it.
  at::Tensor Normed(Site site, const at::Tensor& x, const at::Tensor& weight) const {
    if (!NeedsInput(site)) return {};
    return kernels::RmsNorm(x, Norm(weight)).y;
  }

  const LayerPass& pass_;
  std::size_t layer_;
  const LayerDescription& description_;
  const LayerWeights& weights_;
  const LayerTape& tape_;
  at::Tensor& d_;
};

}  // namespace

void BackwardLayer(const LayerPass& pass, std::size_t layer, const LayerTape& tape, at::Tensor& d,
                   const LayerBackwardOptions& options) {
  LayerBackward backward(pass, layer, tape, d);
  backward.Mlp();
  backward.Attention(options);
}

}  // namespace lathe::trainer::model
