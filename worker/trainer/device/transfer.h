#pragma once
// Small tensors from the host to where they are computed with, without waiting for it.

#include <ATen/core/Tensor.h>

#include <vector>

namespace lathe::trainer::device {

/// One-dimensional, int32 or int64. To a GPU by way of pinned memory, behind what is queued there.
at::Tensor Upload(const std::vector<std::int32_t>& values, const at::Device& device);
at::Tensor Upload(const std::vector<std::int64_t>& values, const at::Device& device);

}  // namespace lathe::trainer::device
