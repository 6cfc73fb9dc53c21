#include "worker/trainer/sharding/layer_bytes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <functional>
#include <numeric>

namespace lathe::trainer::sharding {
namespace {

/// Tensors and parts begin at multiples of this, so that any type can be seen in them.
constexpr std::int64_t kAlignment = 64;

std::int64_t RoundUp(std::int64_t bytes, std::int64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

/// Calls visit for each tensor that is cut up, always in the same order.
void ForTensors(model::LayerWeights& layer, const std::function<void(at::Tensor&)>& visit) {
  for (model::FusedLinear* linear : {&layer.qkv, &layer.output, &layer.gate_up, &layer.down}) {
    if (linear->quantized.empty()) visit(linear->weight);
    for (quantization::QuantizedMatrix& matrix : linear->quantized) {
      const bool nested = matrix.nested_absmax.defined();
      visit(matrix.codes);
      visit(nested ? matrix.absmax_codes : matrix.absmax);
      if (nested) visit(matrix.nested_absmax);
    }
  }
}

}  // namespace

std::int64_t LayerBytes::Place::bytes() const {
  return std::accumulate(shape.begin(), shape.end(),
                         static_cast<std::int64_t>(at::elementSize(type)), std::multiplies<>());
}

LayerBytes::LayerBytes(model::LayerWeights& layer, int parts) : parts_(parts) {
  std::int64_t end = 0;
  ForTensors(layer, [&](at::Tensor& tensor) {
    places_.push_back({end, tensor.sizes().vec(), tensor.scalar_type()});
    end = RoundUp(end + places_.back().bytes(), kAlignment);
  });
  part_size_ = RoundUp((end + parts_ - 1) / parts_, kAlignment);
}

void LayerBytes::Pack(model::LayerWeights& layer, at::Tensor& bytes) const {
  auto place = places_.begin();
  ForTensors(layer, [&](at::Tensor& tensor) {
    bytes.narrow(0, place->begin, place->bytes())
        .copy_(tensor.contiguous().reshape({-1}).view(at::kByte));
    ++place;
  });
}

void LayerBytes::Attach(model::LayerWeights& layer, const at::Tensor& bytes) const {
  auto place = places_.begin();
  ForTensors(layer, [&](at::Tensor& tensor) {
    tensor = bytes.narrow(0, place->begin, place->bytes()).view(place->type).view(place->shape);
    ++place;
  });
}

void LayerBytes::Detach(model::LayerWeights& layer) const {
  auto place = places_.begin();
  ForTensors(layer, [&](at::Tensor& tensor) {
    tensor = at::empty(place->shape, at::TensorOptions().dtype(place->type).device(at::kMeta));
    ++place;
  });
}

}  // namespace lathe::trainer::sharding
