#include "worker/trainer/quantization/dequantize_cuda.h"

#include "worker/trainer/kernels/cuda/tensor.h"

namespace lathe::trainer::quantization {

namespace cuda = kernels::cuda;

namespace {

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

}  // namespace

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

bool FitsRowKernels(const QuantizedMatrix& matrix, const at::Tensor& x) {
  const auto on = [](const at::Tensor& tensor, std::int64_t bytes) {
    return reinterpret_cast<std::uintptr_t>(tensor.data_ptr()) %
               static_cast<std::uintptr_t>(bytes) ==
           0;
  };
  return x.size(0) > 0 && x.size(0) <= cuda::kMostRows && x.is_contiguous() &&
         matrix.columns % cuda::kFewRowsStep == 0 && on(x, cuda::kFewRowsAlignment) &&
         on(matrix.codes, cuda::kFewRowsAlignment);
}

void MultiplyRowsByKernels(const QuantizedMatrix& matrix, const at::Tensor& x, at::Tensor& y) {
  const cuda::FewRowsCall call{.element = cuda::ElementOf(x),
                               .rows = x.size(0),
                               .in = matrix.columns,
                               .out = matrix.rows,
                               .x = x.data_ptr(),
                               .y = y.data_ptr(),
                               .y_stride = y.stride(0)};
  const c10::DeviceGuard guard(x.device());
  if (matrix.type == QuantizationType::kInt8) {
    cuda::MultiplyInt8(call, cuda::Pointer<std::int8_t>(matrix.codes),
                       cuda::Pointer<float>(matrix.absmax), cuda::StreamOf(x));
  } else {
    cuda::MultiplyFourBit(call, FourBitWeightOf(matrix), cuda::StreamOf(x));
  }
  cuda::CheckLaunch();
}

}  // namespace lathe::trainer::quantization
