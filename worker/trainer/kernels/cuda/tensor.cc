#include "worker/trainer/kernels/cuda/tensor.h"

#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Exception.h>

#include "common/base/check.h"

namespace lathe::trainer::kernels::cuda {

Element ElementOf(const at::Tensor& tensor) {
  if (tensor.scalar_type() == at::kFloat) return Element::kFloat32;
  if (tensor.scalar_type() == at::kBFloat16) return Element::kBfloat16;
  LATHE_CHECK(tensor.scalar_type() == at::kHalf, "kernels take fp32, bf16 and fp16");
  return Element::kFloat16;
}

bool RunsKernels(const at::Tensor& tensor) {
#if defined(LATHE_KERNELS_EMULATED)
  return tensor.is_cpu();
#else
  return tensor.is_cuda();
#endif
}

void* StreamOf(const at::Tensor& tensor) {
  if (tensor.is_cpu()) return nullptr;
  const c10::impl::VirtualGuardImpl device(tensor.device().type());
  return device.getStream(tensor.device()).native_handle();
}

void CheckLaunch() {
  if (const char* error = LaunchRefused()) TORCH_CHECK(false, "a kernel was refused: ", error);
}

}  // namespace lathe::trainer::kernels::cuda
