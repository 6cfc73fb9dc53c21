#include "worker/trainer/model/bottleneck.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/silu_backward.h>
#include <ATen/ops/threshold_backward.h>

#include "worker/trainer/model/gradient.h"
#include "worker/trainer/model/product.h"

namespace lathe::trainer::model {
namespace {

at::Tensor Activate(BottleneckActivation activation, const at::Tensor& x) {
  return activation == BottleneckActivation::kRelu ? at::relu(x) : at::silu(x);
}

at::Tensor ActivateBackward(BottleneckActivation activation, const at::Tensor& dy,
                            const at::Tensor& x) {
  return activation == BottleneckActivation::kRelu ? at::threshold_backward(dy, x, 0)
                                                   : at::silu_backward(dy, x);
}

at::Tensor InputOf(BottleneckInput input, const BottleneckReads& reads) {
  switch (input) {
    case BottleneckInput::kAddedAndStream:
      return reads.added + reads.stream;
    case BottleneckInput::kStream:
      return reads.stream;
    case BottleneckInput::kAdded:
      break;
  }
  return reads.added.clone();  // `added` itself changes.
}

}  // namespace

void AddBottleneck(const BottleneckSet& set, const Bottleneck& module, const BottleneckReads& reads,
                   at::Tensor& added, BottleneckTape* tape) {
  const at::Tensor input = InputOf(set.input, reads);
  const at::Tensor inside = Product(input, module.down, module.down_bias);
  added.add_(Product(Activate(set.activation, inside), module.up, module.up_bias), set.scale);
  if (tape != nullptr) *tape = {input, inside};
}

BottleneckGradients BackwardBottleneck(const BottleneckSet& set, const Bottleneck& module,
                                       const BottleneckTape& tape, const at::Tensor& d) {
  const at::Tensor dout = set.scale == 1 ? d : d * set.scale;
  AddGradient({dout, Activate(set.activation, tape.inside), 1, module.up_gradient});
  AddRows(module.up_bias_gradient, dout);
  const at::Tensor dinside =
      ActivateBackward(set.activation, Product(dout, module.up.t()), tape.inside);
  AddGradient({dinside, tape.input, 1, module.down_gradient});
  AddRows(module.down_bias_gradient, dinside);
  const at::Tensor with_input = Product(dinside, module.down.t()).add_(d);
  switch (set.input) {
    case BottleneckInput::kAdded:
      return {with_input, d};
    case BottleneckInput::kStream:
      return {d, with_input};
    case BottleneckInput::kAddedAndStream:
      break;
  }
  return {with_input, with_input};
}

}  // namespace lathe::trainer::model
