#pragma once
// Dropout masks that are a function of a seed alone: there is no generator state to carry along or
// to save, and a repeated step draws the same masks.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace lathe::trainer::model {

/// Another well-mixed seed for each index.
std::uint64_t MixSeed(std::uint64_t seed, std::uint64_t index);

/// Shaped, typed and placed like x: 0 with the given probability, else 1 / (1 - probability).
at::Tensor DropoutMask(const at::Tensor& x, double probability, std::uint64_t seed);

}  // namespace lathe::trainer::model
