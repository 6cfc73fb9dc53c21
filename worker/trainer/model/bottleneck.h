#pragma once
// Bottleneck adapter modules (https://arxiv.org/abs/1902.00751): small networks beside what a
// sublayer adds to the residual stream.
//
//   added' = added + scale * (U act(D in + b_D) + b_U)
//
// where `in` is added (Houlsby), added + stream (Pfeiffer, https://arxiv.org/abs/2005.00247) or the
// stream, which the sublayer reads (parallel, https://arxiv.org/abs/2110.04366).

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

namespace lathe::trainer::model {

enum class BottleneckInput : std::uint8_t { kAdded, kAddedAndStream, kStream };
enum class BottleneckActivation : std::uint8_t { kRelu, kSilu };

/// Tensors are views into an adapter's flat storage, in the compute type; gradients are fp32 and
/// undefined for inference.
struct Bottleneck {
  at::Tensor down;       ///< D [size, hidden]
  at::Tensor down_bias;  ///< [size]
  at::Tensor up;         ///< U [hidden, size]
  at::Tensor up_bias;    ///< [hidden]
  at::Tensor down_gradient;
  at::Tensor down_bias_gradient;
  at::Tensor up_gradient;
  at::Tensor up_bias_gradient;
};

/// All modules of a decoder; lists are empty or have one for each layer.
struct BottleneckSet {
  BottleneckInput input = BottleneckInput::kAddedAndStream;
  BottleneckActivation activation = BottleneckActivation::kRelu;
  double scale = 1;
  std::vector<Bottleneck> attention;
  std::vector<Bottleneck> mlp;

  bool empty() const { return attention.empty() && mlp.empty(); }
};

struct BottleneckTape {
  at::Tensor input;   ///< [N, hidden]
  at::Tensor inside;  ///< [N, size], before the activation
};

/// What a module may read, [N, hidden] each.
struct BottleneckReads {
  const at::Tensor& stream;
  const at::Tensor& added;
};
/// `added` [N, hidden] changes in place; it may be reads.added. tape may be nullptr.
void AddBottleneck(const BottleneckSet& set, const Bottleneck& module, const BottleneckReads& reads,
                   at::Tensor& added, BottleneckTape* tape);

struct BottleneckGradients {
  at::Tensor added;   ///< of what the sublayer adds
  at::Tensor stream;  ///< of the stream, with that of the residual connection
};
/// From the gradient of stream + added'; adds to the module's gradients. Results may share storage
/// with d and with each other.
BottleneckGradients BackwardBottleneck(const BottleneckSet& set, const Bottleneck& module,
                                       const BottleneckTape& tape, const at::Tensor& d);

}  // namespace lathe::trainer::model
