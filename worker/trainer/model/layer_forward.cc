#include "common/base/check.h"
#include "worker/trainer/kernels/ops.h"
#include "worker/trainer/model/dropout.h"
#include "worker/trainer/model/layer.h"

namespace lathe::trainer::model {
namespace {

class LayerForward {
 public:
  LayerForward(const LayerPass& pass, std::size_t layer, LayerTape* tape)
      : pass_(pass),
        layer_(layer),
        description_(pass.decoder.description.layer[layer]),
        weights_(pass.decoder.layers[layer]),
        tape_(tape) {}

  at::Tensor Attention(const at::Tensor& x, const Attend& attend) {
    const kernels::RmsNormResult normed = Norm(x, weights_.attention_norm);
    at::Tensor qkv = Apply(Site::kQkv, normed.y, tape_ ? &tape_->qkv_tape : nullptr);
    if (description_.head_norms) NormHeads(qkv);
    Rotate(qkv);
    const at::Tensor attention = attend(qkv);
    at::Tensor added = Apply(Site::kOutput, attention, tape_ ? &tape_->output_tape : nullptr);
    if (tape_ != nullptr) {
      tape_->input = x;
      tape_->input_rstd = normed.rstd;
      tape_->qkv = qkv;
      tape_->attention = attention;
    }
    if (description_.sandwich_norms) {
      const kernels::RmsNormResult out = Norm(added, weights_.attention_out_norm);
      if (tape_ != nullptr) {
        tape_->attention_added = added;
        tape_->attention_added_rstd = out.rstd;
      }
      added = out.y;
    }
    AddBottlenecks(&BottleneckSet::attention, x, added,
                   tape_ ? &tape_->attention_bottleneck : nullptr);
    return added.add_(x);
  }

  at::Tensor Mlp(const at::Tensor& x) {
    const kernels::RmsNormResult normed = Norm(x, weights_.mlp_norm);
    const at::Tensor gate_up =
        Apply(Site::kGateUp, normed.y, tape_ ? &tape_->gate_up_tape : nullptr);
    at::Tensor added = Apply(Site::kDown, kernels::Gated(description_.activation, gate_up),
                             tape_ ? &tape_->down_tape : nullptr);
    if (tape_ != nullptr) {
      tape_->middle = x;
      tape_->middle_rstd = normed.rstd;
      tape_->gate_up = gate_up;
    }
    if (description_.sandwich_norms) {
      const kernels::RmsNormResult out = Norm(added, weights_.mlp_out_norm);
      if (tape_ != nullptr) {
        tape_->mlp_added = added;
        tape_->mlp_added_rstd = out.rstd;
      }
      added = out.y;
    }
    AddBottlenecks(&BottleneckSet::mlp, x, added, tape_ ? &tape_->mlp_bottleneck : nullptr);
    return added.add_(x);
  }

 private:
  void AddBottlenecks(std::vector<Bottleneck> BottleneckSet::*modules, const at::Tensor& stream,
                      at::Tensor& added, BottleneckTape* tape) const {
    const std::vector<BottleneckSet>& sets = pass_.additions.bottlenecks;
    LATHE_CHECK(tape == nullptr || sets.size() <= 1, "composed adapters are not trained");
    const bool together = sets.size() > 1 && !pass_.additions.bottlenecks_in_turn;
    const at::Tensor read = together ? added.clone() : added;
    for (const BottleneckSet& set : sets) {
      if ((set.*modules).empty()) continue;
      AddBottleneck(set, (set.*modules)[layer_], {stream, read}, added, tape);
    }
  }

  kernels::RmsNormResult Norm(const at::Tensor& x, const at::Tensor& weight) const {
    return kernels::RmsNorm(x, pass_.decoder.Norm(weight));
  }

  /// One linear layer; draws its dropout mask when training.
  at::Tensor Apply(Site site, const at::Tensor& x, LinearTape* tape) const {
    const std::size_t index = GroupIndex(layer_, site);
    const LowRankSet& low_rank = pass_.additions.low_rank;
    const LowRankGroup* group = low_rank.Find(index);
    if (tape != nullptr && group != nullptr && low_rank.dropout > 0) {
      tape->dropout_mask = DropoutMask(x, low_rank.dropout, MixSeed(pass_.dropout_seed, index));
    }
    return Forward(LinearAt(pass_.decoder, index), group, x, tape);
  }

  void NormHeads(at::Tensor& qkv) {
    const ModelDescription& d = pass_.decoder.description;
    if (tape_ != nullptr) tape_->heads = qkv.narrow(1, 0, d.QueryWidth() + d.KeyWidth()).clone();
    const at::Tensor query_rstd =
        kernels::NormHeads(qkv, QuerySpan(d), pass_.decoder.Norm(weights_.query_norm));
    const at::Tensor key_rstd =
        kernels::NormHeads(qkv, KeySpan(d), pass_.decoder.Norm(weights_.key_norm));
    if (tape_ == nullptr) return;
    tape_->query_rstd = query_rstd;
    tape_->key_rstd = key_rstd;
  }

  void Rotate(at::Tensor& qkv) const {
    if (!description_.rope) return;
    const RopeTable& rope = pass_.ropes[*description_.rope];
    kernels::ApplyRope(qkv, RotatedSpan(pass_.decoder.description), rope.cosine, rope.sine,
                       kernels::Rotation::kForward);
  }

  const LayerPass& pass_;
  std::size_t layer_;
  const LayerDescription& description_;
  const LayerWeights& weights_;
  LayerTape* tape_;
};

}  // namespace

at::Tensor ForwardLayer(const LayerPass& pass, std::size_t layer, const at::Tensor& x,
                        LayerTape* tape, const Attend& attend) {
  LayerForward forward(pass, layer, tape);
  return forward.Mlp(forward.Attention(x, attend));
}

}  // namespace lathe::trainer::model
