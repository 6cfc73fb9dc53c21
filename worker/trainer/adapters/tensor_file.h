#pragma once
// Named fp32 tensors into a safetensors file and back, on whatever device they are.

#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/adapters/trainable.h"

namespace lathe::trainer::adapters {

struct NamedTensor {
  std::string name;
  at::Tensor values;
};

/// The parameters under the names of their views.
std::vector<NamedTensor> NamedTensors(const Trainable& trainable);

/// Writes a file, durably, in the given order.
Status WriteTensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors);

/// Copies the file's tensors, of any stored type, into those of the same names. kInvalidArgument
/// names every tensor that is missing, surplus or of another shape; nothing is changed then.
/// Tensors whose names `is_passed_over` accepts may be surplus; it may be empty.
Status ReadTensors(const std::filesystem::path& path, std::span<const NamedTensor> destinations,
                   const std::function<bool(std::string_view)>& is_passed_over = {});

}  // namespace lathe::trainer::adapters
