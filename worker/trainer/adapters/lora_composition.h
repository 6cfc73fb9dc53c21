#pragma once
// The low-rank part of a composition (composition.h): of each linear layer the adapters' matrices
// side by side,
//
//   y = f * x W^T + (x A^T) B^T + bias,  A = [A_1; A_2; ...],  B = [w_1 c_1 s_1 B_1, ...]
//
// with f = 1 + sum of w_i (c_i - 1) of each row; s is an adapter's scale, c its DoRA factor, 1
// without DoRA. Private to this room.

#include <span>

#include "worker/trainer/adapters/composition.h"
#include "worker/trainer/adapters/lora.h"

namespace lathe::trainer::adapters {

struct WeightedLora {
  const LoraAdapter& adapter;
  const AdapterWeights& weights;
};

/// A fused layer that a single adapter reaches with weight 1 is that adapter's own.
model::LowRankSet ComposeLora(const model::Decoder& decoder,
                              std::span<const WeightedLora> adapters);

}  // namespace lathe::trainer::adapters
