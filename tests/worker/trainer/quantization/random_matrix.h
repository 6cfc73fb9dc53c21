#pragma once
// Quantised matrices of normally distributed values, from torch's random numbers.

#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <span>

#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::quantization {

inline QuantizedMatrix RandomMatrix(const QuantizationSettings& settings, std::int64_t rows,
                                    std::int64_t columns) {
  const at::Tensor values = at::randn({rows, columns}, at::kFloat);
  const float* data = values.const_data_ptr<float>();
  const auto read = [&](std::int64_t begin, std::int64_t end, std::span<float> out) -> Status {
    std::copy(data + begin * columns, data + end * columns, out.begin());
    return {};
  };
  return Quantize(settings, rows, columns, read).value();
}

}  // namespace lathe::trainer::quantization
