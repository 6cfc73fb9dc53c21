#pragma once
// The low-rank part of a composition (composition.h): of each linear layer the adapters' matrices
// side by side,
//
//   y = f * x W^T + (x A^T) B^T + bias,  A = [A_1; A_2; ...],  B = [w_1 c_1 s_1 B_1, ...]
//
// where s is an adapter's scale and c its DoRA factor of each row, 1 without DoRA. Beside each
// other, f = 1 + sum of w_i (c_i - 1). In turn, an adapter multiplies f and all columns of B that
// came before it by 1 + w_i (c_i - 1), and c_i = magnitude / ||f W + B A + s_i B_i A_i|| of what it
// finds. Private to this room.

#include <span>

#include "worker/trainer/adapters/composition.h"
#include "worker/trainer/adapters/composition_order.h"
#include "worker/trainer/adapters/lora.h"

namespace lathe::trainer::adapters {

struct WeightedLora {
  const LoraAdapter& adapter;
  const AdapterWeights& weights;
};

/// A fused layer that a single adapter reaches with weight 1 is that adapter's own.
model::LowRankSet ComposeLora(const model::Decoder& decoder, CompositionOrder order,
                              std::span<const WeightedLora> adapters);

}  // namespace lathe::trainer::adapters
