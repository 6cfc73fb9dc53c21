#pragma once
// The frozen weights of a decoder's layers, held in equal parts by the processes of a group: 1/N
// each. A layer is gathered before it is computed, the next one of the pass meanwhile, and let go
// of after: two layers are whole at a time. What is computed is the same to the bit.
//
// All processes make the same passes together. One that has nothing to compute where others have
// takes part by AwaitOthers(). Failures are exceptions, as in distributed::Group. Not thread-safe.

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "worker/trainer/distributed/group.h"
#include "worker/trainer/model/layer_source.h"
#include "worker/trainer/sharding/layer_bytes.h"

namespace lathe::trainer::sharding {

class ShardedLayers final : public model::LayerSource {
 public:
  ShardedLayers(std::shared_ptr<const distributed::Group> group, at::Device device);
  ~ShardedLayers() override;

  /// Keeps this process's part of a layer that has just been read, on the device. Layers come in
  /// order, each once, before Serve().
  void Keep(model::LayerWeights& layer);
  /// The decoder whose layers these are; at its address to stay.
  void Serve(model::Decoder& decoder);

  void Begin(const model::LayerOrder& order) override;
  void Hold(std::size_t layer) override;
  void Release(std::size_t layer) override;

  void AwaitOthers() override;

 private:
  struct Part {
    LayerBytes bytes;
    at::Tensor mine;  ///< uint8 [part_size]
  };
  /// A layer that is being gathered, or is whole.
  struct Slot {
    std::optional<std::size_t> layer;
    at::Tensor buffer;  ///< uint8, as large as the largest layer
    distributed::Gathering gathering;
  };

  /// What the processes tell each other before each pass.
  enum class Wish : std::uint8_t { kNothing, kForward, kBackward };
  void Agree(Wish mine, std::size_t lowest);
  void Visit();
  void Fetch(std::size_t layer);
  Slot& SlotOf(std::size_t layer) { return slots_[layer % slots_.size()]; }
  std::optional<std::size_t> After(std::size_t layer) const;

  std::shared_ptr<const distributed::Group> group_;
  at::Device device_;
  std::vector<Part> parts_;
  model::Decoder* decoder_ = nullptr;
  std::array<Slot, 2> slots_;
  model::LayerOrder order_;  ///< of the pass under way
};

}  // namespace lathe::trainer::sharding
