#include "worker/trainer/loop/gradient_sums.h"

#include <algorithm>
#include <optional>

namespace lathe::trainer::loop {
namespace {

/// From the first to behind the last of some elements.
class Extent {
 public:
  explicit Extent(const at::Tensor& flat) : flat_(flat) {}

  /// With a view of the flat tensor; others do not count.
  void Add(const at::Tensor& view) {
    if (!view.defined() || !view.is_alias_of(flat_)) return;
    AddRange(view.storage_offset(), view.numel());
  }
  void AddRange(std::int64_t begin, std::int64_t count) {
    if (count == 0) return;
    begin_ = empty() ? begin : std::min(begin_, begin);
    end_ = std::max(end_, begin + count);
  }
  bool empty() const { return end_ == 0; }
  std::int64_t begin() const { return begin_; }
  std::int64_t end() const { return end_; }

 private:
  const at::Tensor& flat_;
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
};

void AddLowRank(const model::LowRankGroup& group, Extent& extent) {
  extent.Add(group.a_gradient);
  for (const model::LowRankPart& part : group.parts) {
    extent.Add(part.b_gradient);
    extent.Add(part.magnitude_gradient);
  }
  for (const model::BiasPart& part : group.biases) extent.Add(part.gradient);
}

void AddModule(const model::Bottleneck& module, Extent& extent) {
  for (const at::Tensor* gradient : {&module.down_gradient, &module.down_bias_gradient,
                                     &module.up_gradient, &module.up_bias_gradient}) {
    extent.Add(*gradient);
  }
}

/// The gradients of weights lie where the weights do in theirs.
void AddWeights(const model::LayerWeights& layer, Extent& extent) {
  const auto add = [&](const at::Tensor& weight) {
    if (weight.defined()) extent.AddRange(weight.storage_offset(), weight.numel());
  };
  for (const at::Tensor* norm : {&layer.attention_norm, &layer.mlp_norm, &layer.query_norm,
                                 &layer.key_norm, &layer.attention_out_norm, &layer.mlp_out_norm}) {
    add(*norm);
  }
  for (const model::FusedLinear* linear :
       {&layer.qkv, &layer.output, &layer.gate_up, &layer.down}) {
    add(linear->weight);
    add(linear->bias);
  }
}

Extent ExtentOf(const model::Decoder& decoder, const adapters::Trainable& trainable,
                std::size_t layer) {
  const model::Additions& additions = trainable.additions;
  Extent extent(trainable.gradients);
  for (std::size_t site = 0; site < 4; ++site) {
    const model::LowRankGroup* group =
        additions.low_rank.Find(model::GroupIndex(layer, static_cast<model::Site>(site)));
    if (group != nullptr) AddLowRank(*group, extent);
  }
  for (const model::BottleneckSet& set : additions.bottlenecks) {
    for (const auto* modules : {&set.attention, &set.mlp}) {
      if (layer < modules->size()) AddModule((*modules)[layer], extent);
    }
  }
  if (!additions.weights.empty()) AddWeights(decoder.layers[layer], extent);
  return extent;
}

}  // namespace

std::vector<GradientPart> PartsOf(const model::Decoder& decoder,
                                  const adapters::Trainable& trainable, std::int64_t least) {
  std::vector<GradientPart> parts;
  if (trainable.finish_gradients || !trainable.gradients.defined()) return parts;
  for (std::size_t layer = decoder.layers.size(); layer-- > 0;) {
    const Extent extent = ExtentOf(decoder, trainable, layer);
    if (extent.empty()) continue;
    const std::int64_t limit = parts.empty() ? trainable.gradients.numel() : parts.back().begin;
    if (extent.end() > limit) return {};
    if (!parts.empty() && parts.back().end - parts.back().begin < least) {
      parts.back().begin = extent.begin();
      parts.back().layer = layer;
    } else {
      // What lies above the uppermost layer is the head's: complete before the pass begins.
      parts.push_back({extent.begin(), limit, layer});
    }
  }
  return parts;
}

GradientSums::GradientSums(const distributed::Group& group, const at::Tensor& gradients,
                           const std::vector<GradientPart>& parts)
    : group_(group), gradients_(gradients), parts_(parts) {}

void GradientSums::LayerDone(std::size_t layer) {
  for (; next_ < parts_.size() && parts_[next_].layer >= layer; ++next_) {
    Begin(parts_[next_].begin, parts_[next_].end);
  }
}

void GradientSums::Finish() {
  LayerDone(0);
  Begin(0, parts_.empty() ? gradients_.numel() : parts_.back().begin);
  for (distributed::Gathering& sum : running_) sum.Wait();
  running_.clear();
}

void GradientSums::Begin(std::int64_t begin, std::int64_t end) {
  if (begin == end || group_.size() == 1) return;
  running_.push_back(group_.StartSum(gradients_.narrow(0, begin, end - begin)));
}

}  // namespace lathe::trainer::loop
