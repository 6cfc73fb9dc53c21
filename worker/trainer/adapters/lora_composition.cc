#include "worker/trainer/adapters/lora_composition.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>

#include <map>

namespace lathe::trainer::adapters {
namespace {

/// One part of a fused layer with what has been put on it: factor * (x W^T) + (x A^T) B^T. fp32.
struct ComposedPart {
  at::Tensor factor;          ///< [out]; undefined: 1
  std::vector<at::Tensor> a;  ///< [rank, in] each
  std::vector<at::Tensor> b;  ///< [out, rank] each, scaled
};

/// One fused layer of the composition.
class GroupComposer {
 public:
  GroupComposer(const model::Decoder& decoder, CompositionOrder order, std::size_t group)
      : decoder_(decoder),
        linear_(model::LinearAt(decoder, group)),
        in_turn_(order == CompositionOrder::kInTurn),
        group_(group) {}

  void Add(const WeightedLora& lora) {
    const double weight = WeightOfGroup(lora.weights, group_, decoder_);
    if (weight == 0 || lora.adapter.low_rank().Find(group_) == nullptr) return;
    ++adapters_;
    if (weight == 1) whole_ = lora.adapter.low_rank().Find(group_);
    for (const LoraModule& module : lora.adapter.modules()) {
      if (module.group == group_) AddModule(lora.adapter, module, weight);
    }
    for (const LoraBias& bias : lora.adapter.biases()) {
      if (bias.group == group_) AddBias(bias, weight);
    }
  }

  std::optional<model::LowRankGroup> Result() const {
    if (adapters_ == 0) return std::nullopt;
    if (adapters_ == 1 && whole_ != nullptr) return *whole_;
    const at::ScalarType type = decoder_.dtype();
    model::LowRankGroup group;
    std::vector<at::Tensor> stacked;
    std::int64_t row = 0;
    for (const auto& [index, part] : parts_) {
      const model::LinearPart& place = linear_.parts[index];
      const at::Tensor b = at::cat(part.b, 1).to(type);
      group.parts.push_back(
          {.begin = place.begin, .size = place.size, .offset = row, .rank = b.size(1), .b = b});
      row += b.size(1);
      stacked.insert(stacked.end(), part.a.begin(), part.a.end());
      if (!part.factor.defined()) continue;
      if (!group.base_factor.defined()) {
        group.base_factor = at::ones({linear_.weight.size(0)}, part.factor.options());
      }
      group.base_factor.narrow(0, place.begin, place.size).copy_(part.factor);
    }
    if (!stacked.empty()) group.a = at::cat(stacked).to(type);
    if (bias_.defined()) group.bias = bias_.to(type);
    return group;
  }

 private:
  void AddModule(const LoraAdapter& adapter, const LoraModule& module, double weight) {
    ComposedPart& part = parts_[module.part];
    at::Tensor b = module.b * (weight * module.scale);
    if (const at::Tensor dora = DoraFactor(adapter, module, part); dora.defined()) {
      b.mul_(dora.unsqueeze(1));
      const at::Tensor more = (dora - 1) * weight;
      if (in_turn_) {
        const at::Tensor scale = more + 1;
        for (at::Tensor& before : part.b) before.mul_(scale.unsqueeze(1));
        part.factor = part.factor.defined() ? part.factor * scale : scale;
      } else {
        part.factor = part.factor.defined() ? part.factor + more : more + 1;
      }
    }
    part.a.push_back(module.a);
    part.b.push_back(b);
  }

  /// The factor of an adapter's rows [out] on what it finds; undefined without DoRA.
  at::Tensor DoraFactor(const LoraAdapter& adapter, const LoraModule& module,
                        const ComposedPart& part) const {
    if (!module.magnitude.defined()) return {};
    if (!in_turn_ || part.a.empty()) {
      const model::LowRankGroup& group = *adapter.low_rank().groups[group_];
      return group.scales->factor.narrow(0, module.begin, module.b.size(0));
    }
    std::vector<at::Tensor> all_a = part.a;
    std::vector<at::Tensor> all_b = part.b;
    all_a.push_back(module.a);
    all_b.push_back(module.b * module.scale);
    const at::Tensor a = at::cat(all_a);
    const at::Tensor b = at::cat(all_b, 1);
    at::Tensor factor;
    const DoraNorms norms(decoder_, {{group_, module.part}});
    norms.Measure(
        [&](std::size_t) { return DoraNorms::Addition{.a = a, .b = b, .factor = part.factor}; },
        [&](std::size_t, const at::Tensor& norm) { factor = module.magnitude / norm; });
    return factor;
  }

  void AddBias(const LoraBias& bias, double weight) {
    if (!bias_.defined()) bias_ = linear_.bias.to(at::kFloat, false, true);
    const std::int64_t size = bias.values.size(0);
    at::Tensor found = bias_.narrow(0, bias.begin, size);
    const at::Tensor own = linear_.bias.narrow(0, bias.begin, size).to(at::kFloat);
    found.add_(bias.values - (in_turn_ ? found : own), weight);
  }

  const model::Decoder& decoder_;
  const model::FusedLinear& linear_;
  bool in_turn_;
  std::size_t group_;
  int adapters_ = 0;                            ///< that reach the layer
  const model::LowRankGroup* whole_ = nullptr;  ///< of one that does so with weight 1
  std::map<std::size_t, ComposedPart> parts_;   ///< by their place within the fused layer
  at::Tensor bias_;                             ///< [out] fp32
};

}  // namespace

model::LowRankSet ComposeLora(const model::Decoder& decoder, CompositionOrder order,
                              std::span<const WeightedLora> adapters) {
  model::LowRankSet set;
  set.groups.resize(model::HeadGroupIndex(decoder) + 1);
  for (std::size_t group = 0; group < set.groups.size(); ++group) {
    GroupComposer composer(decoder, order, group);
    for (const WeightedLora& lora : adapters) composer.Add(lora);
    set.groups[group] = composer.Result();
  }
  return set;
}

}  // namespace lathe::trainer::adapters
