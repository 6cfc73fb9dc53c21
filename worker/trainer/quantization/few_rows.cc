#include "worker/trainer/quantization/few_rows.h"

#if defined(LATHE_CUDA_KERNELS)
#include "worker/trainer/quantization/dequantize_cuda.h"
#else
#include "common/base/check.h"
#endif

namespace lathe::trainer::quantization {

#if defined(LATHE_CUDA_KERNELS)
bool MultipliesRows(const QuantizedMatrix& matrix, const at::Tensor& x) {
  return x.is_cuda() && FitsRowKernels(matrix, x);
}

void MultiplyRows(const QuantizedMatrix& matrix, const at::Tensor& x, at::Tensor& y) {
  MultiplyRowsByKernels(matrix, x, y);
}
#else
bool MultipliesRows(const QuantizedMatrix&, const at::Tensor&) {
  return false;
}

void MultiplyRows(const QuantizedMatrix&, const at::Tensor&, at::Tensor&) {
  LATHE_CHECK(false, "asked for although MultipliesRows says no");
}
#endif

}  // namespace lathe::trainer::quantization
