#include "worker/trainer/quantization/dequantize_cuda.h"

#include "worker/trainer/kernels/cuda/tensor.h"
#include "worker/trainer/quantization/four_bit_weight.h"

namespace lathe::trainer::quantization {

namespace cuda = kernels::cuda;

cuda::FourBitWeight FourBitWeightOf(const QuantizedMatrix& matrix) {
  return {.count = matrix.rows * matrix.columns,
          .codes = cuda::Pointer<std::uint8_t>(matrix.codes),
          .values = TableOf(matrix.type).values.data(),
          .absmax = cuda::Pointer<float>(matrix.absmax),
          .absmax_codes = cuda::Pointer<std::uint8_t>(matrix.absmax_codes),
          .nested_absmax = cuda::Pointer<float>(matrix.nested_absmax),
          .map = DynamicMap().data(),
          .offset = matrix.offset};
}

void DequantizeByKernels(const QuantizedMatrix& matrix, at::Tensor& out) {
  if (matrix.type == QuantizationType::kInt8) {
    const cuda::Int8Call call{.element = cuda::ElementOf(out),
                              .rows = matrix.rows,
                              .columns = matrix.columns,
                              .codes = cuda::Pointer<std::int8_t>(matrix.codes),
                              .absmax = cuda::Pointer<float>(matrix.absmax),
                              .out = out.data_ptr()};
    return cuda::Enqueue(out, &cuda::DequantizeInt8, call);
  }
  const cuda::FourBitCall call{
      .element = cuda::ElementOf(out), .weight = FourBitWeightOf(matrix), .out = out.data_ptr()};
  cuda::Enqueue(out, &cuda::DequantizeFourBit, call);
}

}  // namespace lathe::trainer::quantization
