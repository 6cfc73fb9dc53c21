#pragma once
// Brings the weights of a decoder's layers that are not all here: before a layer is computed, in
// the order in which a pass needs them.

#include <cstddef>

namespace lathe::trainer::model {

/// The layers that a pass visits, one after another: those from `lowest` to the last.
struct LayerOrder {
  std::size_t lowest = 0;
  bool downwards = false;  ///< from the last one on
};

class LayerSource {
 public:
  virtual ~LayerSource() = default;
  /// A pass begins: it will hold and release each of the layers in this order.
  virtual void Begin(const LayerOrder& order) = 0;
  /// The weights of the layer are in the decoder when it returns.
  virtual void Hold(std::size_t layer) = 0;
  /// They are not needed any more.
  virtual void Release(std::size_t layer) = 0;
  /// Helps other processes, whose parts of the weights these are, with the passes that they still
  /// make. Every process calls it after each sequence of passes in which it may have had fewer than
  /// the others.
  virtual void AwaitOthers() = 0;
};

/// Keeps a layer's weights here as long as it lives. No source: they are.
class HeldLayer {
 public:
  HeldLayer(LayerSource* source, std::size_t layer) : source_(source), layer_(layer) {
    if (source_ != nullptr) source_->Hold(layer_);
  }
  ~HeldLayer() {
    if (source_ != nullptr) source_->Release(layer_);
  }
  HeldLayer(const HeldLayer&) = delete;
  HeldLayer& operator=(const HeldLayer&) = delete;

 private:
  LayerSource* source_;
  std::size_t layer_;
};

}  // namespace lathe::trainer::model
