#pragma once
// Reads stored weights into their places, converted by several threads. Private to this room.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/formats/dtype.h"
#include "worker/trainer/quantization/matrix.h"

namespace lathe::trainer::model {

/// One weight's way. Its source and `quantized` must outlive its reading.
struct WeightCopy {
  const formats::TensorInfo* source = nullptr;
  at::Tensor destination;                              ///< see Placement
  quantization::QuantizedMatrix* quantized = nullptr;  ///< set: the weight goes there instead
  std::int64_t interleaved_head_dim = 0;               ///< 0: rows are in the model's order
  double offset = 0;                                   ///< what the stored values are too large by
  std::optional<std::size_t> layer = std::nullopt;     ///< that it belongs to
};

using MaybeQuantization = std::optional<quantization::QuantizationSettings>;

/// Straight to places in host memory.
Status ReadToHost(const std::vector<WeightCopy>& copies, const MaybeQuantization& quantization);

/// To places on any device, one weight after another: what is held in host memory at a time is one
/// weight, in its final type, and what has been read of the file leaves memory before the next is.
Status ReadThroughHost(const std::vector<WeightCopy>& copies, const MaybeQuantization& quantization,
                       const at::Device& device);

}  // namespace lathe::trainer::model
