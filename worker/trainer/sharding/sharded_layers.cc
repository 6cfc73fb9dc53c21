#include "worker/trainer/sharding/sharded_layers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <malloc.h>

#include <algorithm>

#include "common/base/check.h"

namespace lathe::trainer::sharding {

ShardedLayers::ShardedLayers(std::shared_ptr<const distributed::Group> group, at::Device device)
    : group_(std::move(group)), device_(device) {}

ShardedLayers::~ShardedLayers() = default;

void ShardedLayers::Keep(model::LayerWeights& layer) {
  LayerBytes bytes(layer, group_->size());
  at::Tensor whole = at::empty({bytes.size()}, at::kByte);
  bytes.Pack(layer, whole);
  bytes.Detach(layer);
  const std::int64_t size = bytes.part_size();
  // A copy of its own: a view would keep all of it.
  const at::Tensor mine = whole.narrow(0, group_->rank() * size, size).clone().to(device_);
  parts_.push_back({std::move(bytes), mine});
  // What the layer has freed lies between what other layers still hold, where the C library would
  // keep it.
  whole.reset();
  ::malloc_trim(0);
}

void ShardedLayers::Serve(model::Decoder& decoder) {
  LATHE_CHECK(decoder.layers.size() == parts_.size(), "every layer has been kept");
  decoder_ = &decoder;
  std::int64_t largest = 0;
  for (const Part& part : parts_) largest = std::max(largest, part.bytes.size());
  for (Slot& slot : slots_) slot.buffer = at::empty({largest}, at::kByte).to(device_);
}

void ShardedLayers::Begin(const model::LayerOrder& order) {
  Agree(order.downwards ? Wish::kBackward : Wish::kForward, order.lowest);
  LATHE_CHECK(order_.downwards == order.downwards && order_.lowest == order.lowest,
              "all processes make the same passes");
}

void ShardedLayers::AwaitOthers() {
  while (true) {
    Agree(Wish::kNothing, 0);
    if (order_.lowest >= parts_.size()) return;
    Visit();
  }
}

// Sets the order of the pass that the processes make next; one without layers when no process makes
// one.
void ShardedLayers::Agree(Wish mine, std::size_t lowest) {
  const double forward = mine == Wish::kForward ? 1 : 0;
  const double backward = mine == Wish::kBackward ? 1 : 0;
  std::vector<double> wishes = {forward, backward, (forward + backward) * double(lowest)};
  group_->Sum(wishes);
  const double count = wishes[0] + wishes[1];
  LATHE_CHECK(wishes[0] == 0 || wishes[1] == 0, "all processes make the same passes");
  order_.downwards = wishes[1] > 0;
  order_.lowest = count == 0 ? parts_.size() : static_cast<std::size_t>(wishes[2] / count);
}

void ShardedLayers::Visit() {
  const bool down = order_.downwards;
  std::optional<std::size_t> layer = down ? parts_.size() - 1 : order_.lowest;
  for (; layer; layer = After(*layer)) {
    Hold(*layer);
    Release(*layer);
  }
}

std::optional<std::size_t> ShardedLayers::After(std::size_t layer) const {
  if (order_.downwards) return layer > order_.lowest ? std::optional(layer - 1) : std::nullopt;
  return layer + 1 < parts_.size() ? std::optional(layer + 1) : std::nullopt;
}

// The last layers of a pass stay in their places: the next one often begins with them.
void ShardedLayers::Fetch(std::size_t layer) {
  Slot& slot = SlotOf(layer);
  if (slot.layer == layer) return;
  slot.layer = layer;
  at::Tensor whole = slot.buffer.narrow(0, 0, parts_[layer].bytes.size());
  slot.gathering = group_->Gather(parts_[layer].mine, whole);
}

void ShardedLayers::Hold(std::size_t layer) {
  Fetch(layer);
  Slot& slot = SlotOf(layer);
  slot.gathering.Wait();
  parts_[layer].bytes.Attach(decoder_->layers[layer], slot.buffer);
  if (const auto next = After(layer)) Fetch(*next);
}

void ShardedLayers::Release(std::size_t layer) {
  parts_[layer].bytes.Detach(decoder_->layers[layer]);
}

}  // namespace lathe::trainer::sharding
