#include "worker/trainer/adapters/composition.h"

#include <ATen/TensorOperators.h>

#include <algorithm>

#include "worker/trainer/adapters/lora_composition.h"
#include "worker/trainer/adapters/prefix_composition.h"

namespace lathe::trainer::adapters {
namespace {

/// Whether the adapter's weight is that wherever it can reach.
bool IsEverywhere(double weight, const ComposedAdapter& composed) {
  const std::vector<double>& layers = composed.weights.layers;
  return (!composed.adapter.lora || composed.weights.head == weight) &&
         std::all_of(layers.begin(), layers.end(), [&](double other) { return other == weight; });
}

/// What is wrong with one adapter of several.
class Check {
 public:
  Check(const model::Decoder& decoder, std::vector<Finding>& findings)
      : layers_(decoder.layers.size()), findings_(findings) {}

  void operator()(const ComposedAdapter& composed, bool alone) {
    const AdapterWeights& weights = composed.weights;
    if (weights.layers.size() != 1 && weights.layers.size() != layers_) {
      Add(composed, "wrong_count", " has " + std::to_string(weights.layers.size()) + " weights",
          std::to_string(layers_) + " weights, one for each layer of the model, or a single one");
    }
    if (composed.adapter.kind == SavedKind::kModel && !(alone && IsEverywhere(1, composed))) {
      Add(composed, "whole_model", " is a whole model, which takes the base's place",
          "an adapter of the base");
    }
    if (composed.adapter.kind == SavedKind::kPrefix && !IsEverywhere(0, composed) &&
        !IsEverywhere(1, composed)) {
      Add(composed, "prefix_weight", " is a prefix, of which no part can be taken",
          "weight 1, or 0 to leave it out");
    }
  }

 private:
  void Add(const ComposedAdapter& composed, std::string code, const std::string& given,
           std::string expected) {
    findings_.push_back({.path = composed.name,
                         .code = std::move(code),
                         .message = composed.name + given,
                         .given = {},
                         .expected = std::move(expected)});
  }

  std::size_t layers_;
  std::vector<Finding>& findings_;
};

/// The modules with their weights multiplied in.
model::BottleneckSet Weighted(const model::BottleneckSet& set, const AdapterWeights& weights) {
  model::BottleneckSet weighted = set;
  for (auto* modules : {&weighted.attention, &weighted.mlp}) {
    for (std::size_t layer = 0; layer < modules->size(); ++layer) {
      const double weight = weights.OfLayer(layer);
      if (weight == 1) continue;
      model::Bottleneck& module = (*modules)[layer];
      module.up = module.up * weight;
      module.up_bias = module.up_bias * weight;
    }
  }
  return weighted;
}

}  // namespace

Status CheckComposition(const model::Decoder& decoder, std::span<const ComposedAdapter> adapters) {
  Error error{ErrorCode::kInvalidArgument, {}, {}, {}};
  Check check(decoder, error.findings);
  for (const ComposedAdapter& composed : adapters) check(composed, adapters.size() == 1);
  if (error.findings.empty()) return {};
  const Finding& first = error.findings.front();
  error.message = first.message + "; expected " + first.expected;
  return Failure(std::move(error));
}

model::Additions Compose(const model::Decoder& decoder, CompositionMethod method,
                         std::span<const ComposedAdapter> adapters) {
  const auto order = method == CompositionMethod::kSequential ? CompositionOrder::kInTurn
                                                              : CompositionOrder::kBeside;
  std::vector<const ComposedAdapter*> present;
  for (const ComposedAdapter& composed : adapters) {
    if (!IsEverywhere(0, composed)) present.push_back(&composed);
  }
  if (present.size() == 1 && IsEverywhere(1, *present[0])) return present[0]->adapter.additions;
  std::vector<WeightedLora> loras;
  std::vector<const model::PrefixSet*> prefixes;
  model::Additions additions;
  for (const ComposedAdapter* composed : present) {
    const SavedAdapter& adapter = composed->adapter;
    if (adapter.lora) loras.push_back({*adapter.lora, composed->weights});
    if (adapter.kind == SavedKind::kPrefix) prefixes.push_back(&adapter.additions.prefix);
    for (const model::BottleneckSet& set : adapter.additions.bottlenecks) {
      additions.bottlenecks.push_back(Weighted(set, composed->weights));
    }
  }
  if (!loras.empty()) additions.low_rank = ComposeLora(decoder, order, loras);
  additions.prefix = ComposePrefixes(decoder, order, prefixes);
  additions.bottlenecks_in_turn = order == CompositionOrder::kInTurn;
  return additions;
}

}  // namespace lathe::trainer::adapters
