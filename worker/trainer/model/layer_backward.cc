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
    const at::Tensor dadded = Added(tape_.mlp_added, weights_.mlp_out_norm, tape_.mlp_added_rstd);
    const at::Tensor act =
        NeedsInput(Site::kDown) ? kernels::Gated(activation, tape_.gate_up) : at::Tensor();
    const at::Tensor dact = Linear(Site::kDown, {dadded, act, tape_.down_tape});
    const at::Tensor dgate_up = kernels::GatedBackward(activation, dact, tape_.gate_up);
    const at::Tensor x = Normed(Site::kGateUp, tape_.middle, weights_.mlp_norm);
    const at::Tensor dx = Linear(Site::kGateUp, {dgate_up, x, tape_.gate_up_tape});
    kernels::AddRmsNormBackward(dx, tape_.middle, Norm(weights_.mlp_norm), tape_.middle_rstd, d_);
  }

  void Attention(const LayerBackwardOptions& options) {
    const at::Tensor dadded =
        Added(tape_.attention_added, weights_.attention_out_norm, tape_.attention_added_rstd);
    at::Tensor dqkv =
        options.attend(Linear(Site::kOutput, {dadded, tape_.attention, tape_.output_tape}));
    Unrotate(dqkv);
    if (description_.head_norms) HeadNorms(dqkv);
    const at::Tensor x = Normed(Site::kQkv, tape_.input, weights_.attention_norm);
    const at::Tensor dx = Linear(Site::kQkv, {dqkv, x, tape_.qkv_tape, options.input_gradient});
    if (!options.input_gradient) return;
    kernels::AddRmsNormBackward(dx, tape_.input, Norm(weights_.attention_norm), tape_.input_rstd,
                                d_);
  }

 private:
  kernels::Norm Norm(const at::Tensor& weight) const { return pass_.decoder.Norm(weight); }

  /// The gradient of what a sublayer adds to the residual stream, before the norm of that.
  at::Tensor Added(const at::Tensor& added, const at::Tensor& weight,
                   const at::Tensor& rstd) const {
    if (!description_.sandwich_norms) return d_;
    at::Tensor dadded = at::zeros_like(added);
    kernels::AddRmsNormBackward(d_, added, Norm(weight), rstd, dadded);
    return dadded;
  }

  void Unrotate(at::Tensor& dqkv) const {
    if (!description_.rope) return;
    const RopeTable& rope = pass_.ropes[*description_.rope];
    kernels::ApplyRope(dqkv, RotatedSpan(pass_.decoder.description), rope.cosine, rope.sine,
                       kernels::Rotation::kInverse);
  }

  void HeadNorms(at::Tensor& dqkv) const {
    const ModelDescription& d = pass_.decoder.description;
    kernels::NormHeadsBackward(dqkv, tape_.heads, QuerySpan(d), Norm(weights_.query_norm),
                               tape_.query_rstd);
    kernels::NormHeadsBackward(dqkv, tape_.heads, KeySpan(d), Norm(weights_.key_norm),
                               tape_.key_rstd);
  }

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
