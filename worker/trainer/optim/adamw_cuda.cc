#include "worker/trainer/optim/adamw_cuda.h"

#include "worker/trainer/kernels/cuda/tensor.h"
#include "worker/trainer/optim/dynamic_map.h"

namespace lathe::trainer::optim {
namespace {

namespace cuda = kernels::cuda;

cuda::AdamWFactors ToFloats(const adamw::Factors& f) {
  return {.decay = static_cast<float>(f.decay),
          .beta1 = static_cast<float>(f.beta1),
          .beta2 = static_cast<float>(f.beta2),
          .rest1 = static_cast<float>(1 - f.beta1),
          .rest2 = static_cast<float>(1 - f.beta2),
          .step = static_cast<float>(f.step),
          .root_correction = static_cast<float>(f.root_correction),
          .epsilon = static_cast<float>(f.epsilon)};
}

cuda::BlockMoment MomentOf(const adamw_8bit::QuantizedMoment& moment, Signedness signedness) {
  return {.map = DynamicMapOf(signedness).values.data(),
          .codes = cuda::Pointer<std::uint8_t>(moment.codes),
          .maxima = cuda::Pointer<float>(moment.maxima)};
}

}  // namespace

void UpdateSliceByKernel(const adamw::Factors& factors, const adamw::Slice& slice) {
  const cuda::AdamWCall call{.factors = ToFloats(factors),
                             .count = slice.parameters.numel(),
                             .gradient = cuda::Pointer<float>(slice.gradient),
                             .parameters = cuda::Pointer<float>(slice.parameters),
                             .first = cuda::Pointer<float>(slice.first_moment),
                             .second = cuda::Pointer<float>(slice.second_moment)};
  cuda::Enqueue(slice.parameters, &cuda::AdamW, call);
}

void UpdateBlocksByKernel(const adamw::Factors& factors, const adamw_8bit::BlockSlice& slice) {
  const cuda::AdamW8BitCall call{.factors = ToFloats(factors),
                                 .count = slice.parameters.numel(),
                                 .gradient = cuda::Pointer<float>(slice.gradient),
                                 .parameters = cuda::Pointer<float>(slice.parameters),
                                 .first = MomentOf(slice.first, Signedness::kSigned),
                                 .second = MomentOf(slice.second, Signedness::kUnsigned)};
  cuda::Enqueue(slice.parameters, &cuda::AdamW8Bit, call);
}

}  // namespace lathe::trainer::optim
