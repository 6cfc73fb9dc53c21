#pragma once
// A layer's frozen weights as one run of bytes, and back: what is cut into equal parts, one a
// process, and gathered. Dense weights go as they are, quantised ones as codes and scales. Norms
// and biases are not in it: they are small and stay everywhere.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::sharding {

/// Where the tensors of one layer lie in its bytes, in the order in which they are found.
class LayerBytes {
 public:
  /// Of a layer whose weights are here, for so many parts.
  LayerBytes(model::LayerWeights& layer, int parts);

  std::int64_t part_size() const { return part_size_; }
  std::int64_t size() const { return part_size_ * parts_; }

  /// Copies a layer's weights into bytes: uint8 [size()] on the CPU.
  void Pack(model::LayerWeights& layer, at::Tensor& bytes) const;
  /// Lets the layer's weights be views of bytes: uint8 [size()] on any device.
  void Attach(model::LayerWeights& layer, const at::Tensor& bytes) const;
  /// Lets go of the layer's weights. Dense ones keep their shapes.
  void Detach(model::LayerWeights& layer) const;

 private:
  struct Place {
    std::int64_t begin = 0;  ///< first byte
    std::vector<std::int64_t> shape;
    at::ScalarType type = at::kByte;
    std::int64_t bytes() const;
  };

  std::vector<Place> places_;
  std::int64_t parts_ = 1;
  std::int64_t part_size_ = 0;
};

}  // namespace lathe::trainer::sharding
