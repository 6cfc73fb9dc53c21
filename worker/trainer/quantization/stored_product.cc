#include "worker/trainer/quantization/stored_product.h"

#if defined(LATHE_CUDA_KERNELS)
#include "worker/trainer/kernels/cuda/tensor.h"
#include "worker/trainer/quantization/stored_product_cuda.h"
#else
#include "common/base/check.h"
#endif

namespace lathe::trainer::quantization {

#if defined(LATHE_CUDA_KERNELS)
bool MultipliesStored(const QuantizedMatrix& matrix, const at::Tensor& x) {
  return kernels::cuda::RunsKernels(x) && FitsStoredKernels(matrix, x);
}

void MultiplyStored(const QuantizedMatrix& matrix, const at::Tensor& x, const Added& added,
                    at::Tensor& y) {
  MultiplyStoredByKernels(matrix, x, added, y);
}

bool MultipliesThroughStored(std::span<const QuantizedMatrix> parts, const at::Tensor& dy) {
  return kernels::cuda::RunsKernels(dy) && FitsThroughStoredKernels(parts, dy);
}

at::Tensor MultiplyThroughStored(std::span<const QuantizedMatrix> parts, const at::Tensor& dy,
                                 const Added& added) {
  return MultiplyThroughStoredByKernels(parts, dy, added);
}
#else
bool MultipliesStored(const QuantizedMatrix&, const at::Tensor&) {
  return false;
}

void MultiplyStored(const QuantizedMatrix&, const at::Tensor&, const Added&, at::Tensor&) {
  LATHE_CHECK(false, "asked for although MultipliesStored says no");
}

bool MultipliesThroughStored(std::span<const QuantizedMatrix>, const at::Tensor&) {
  return false;
}

at::Tensor MultiplyThroughStored(std::span<const QuantizedMatrix>, const at::Tensor&,
                                 const Added&) {
  LATHE_CHECK(false, "asked for although MultipliesThroughStored says no");
  return {};
}
#endif

}  // namespace lathe::trainer::quantization
