#pragma once
// Rotary position angles (https://arxiv.org/abs/2104.09864), precomputed for a range of positions.

#include <ATen/core/Tensor.h>

#include "worker/trainer/model/description.h"

namespace lathe::trainer::model {

/// fp32 [positions, head_dim / 2] each, row p for position p.
struct RopeTable {
  at::Tensor cosine;
  at::Tensor sine;
};

/// Angles are computed in fp32 from fp32 frequencies, as the Python reference does.
RopeTable MakeRopeTable(const ModelDescription& description, std::int64_t positions,
                        const at::Device& device);

}  // namespace lathe::trainer::model
