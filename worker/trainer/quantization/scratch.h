#pragma once
// Memory that weights are dequantised into just before a product and that the next weight reuses:
// one buffer serves a whole decoder, however many layers it has. Thread-safe; threads that compute
// at the same time get a buffer each.

#include <ATen/core/Tensor.h>

#include <mutex>
#include <vector>

namespace lathe::trainer::quantization {

class Scratch {
 public:
  /// A contiguous, uninitialised tensor [rows, columns]. Its memory is used again once every tensor
  /// that refers to it is gone: it must not be kept beyond the computation that it is taken for.
  at::Tensor Take(std::int64_t rows, std::int64_t columns, const at::TensorOptions& options);

 private:
  std::mutex mutex_;
  std::vector<at::Tensor> buffers_;  ///< Guarded by mutex_; bytes.
};

}  // namespace lathe::trainer::quantization
