#pragma once
// One layer of a decoder, forward and backward, for training passes and for cached continuation:
// everything but whose keys its queries attend to. Private to the passes.

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "worker/trainer/model/attention.h"
#include "worker/trainer/model/decoder.h"

namespace lathe::trainer::model {

/// What the layers of one pass share.
struct LayerPass {
  const Decoder& decoder;
  const Additions& additions;
  std::vector<RopeTable> ropes;  ///< the angles of the pass's tokens, for each of the model's ropes
  std::uint64_t dropout_seed = 0;
  SequenceStarts starts = {};  ///< where attention may be packed
};

/// From a layer's q, k, v [N, QkvWidth], normed and rotated, to what its heads see [N, QueryWidth].
using Attend = std::function<at::Tensor(const at::Tensor& qkv)>;
/// From the gradient of what heads see to that of q, k, v.
using AttendBackward = std::function<at::Tensor(const at::Tensor& dattention)>;

/// x [N, hidden] to the next layer's. tape may be nullptr, then there is no dropout.
at::Tensor ForwardLayer(const LayerPass& pass, std::size_t layer, const at::Tensor& x,
                        LayerTape* tape, const Attend& attend);

struct LayerBackwardOptions {
  const AttendBackward& attend;
  bool input_gradient = true;  ///< false: nothing below this layer is trained
};
/// d: from the gradient of the layer's output to that of its input, in place; without
/// input_gradient it is left in between. Adds to the gradients of the layer's additions.
void BackwardLayer(const LayerPass& pass, std::size_t layer, const LayerTape& tape, at::Tensor& d,
                   const LayerBackwardOptions& options);

}  // namespace lathe::trainer::model
