#include "worker/trainer/quantization/scratch.h"

#include <ATen/ops/empty.h>

namespace lathe::trainer::quantization {

at::Tensor Scratch::Take(std::int64_t rows, std::int64_t columns,
                         const at::TensorOptions& options) {
  const auto type = c10::typeMetaToScalarType(options.dtype());
  const auto bytes = rows * columns * static_cast<std::int64_t>(c10::elementSize(type));
  const std::scoped_lock lock(mutex_);
  const auto free_here = [&](const at::Tensor& buffer) {
    return buffer.storage().use_count() == 1 && buffer.device() == options.device();
  };
  at::Tensor* chosen = nullptr;
  for (at::Tensor& buffer : buffers_) {
    if (free_here(buffer) && (chosen == nullptr || buffer.numel() > chosen->numel())) {
      chosen = &buffer;
    }
  }
  if (chosen == nullptr) chosen = &buffers_.emplace_back();
  if (!chosen->defined() || chosen->numel() < bytes) {
    *chosen = at::Tensor();  // Given back first: the two need not exist at once.
    *chosen = at::empty({bytes}, options.dtype(at::kByte));
  }
  return chosen->narrow(0, 0, bytes).view(type).view({rows, columns});
}

}  // namespace lathe::trainer::quantization
