#pragma once
// From tensors to what kernels are called with. A CPU tensor is for kernels that are emulated.

#include <ATen/core/Tensor.h>
#include <c10/core/DeviceGuard.h>

#include "worker/trainer/kernels/cuda/launch.h"

namespace lathe::trainer::kernels::cuda {

/// Of fp32, bf16 and fp16 tensors.
Element ElementOf(const at::Tensor& tensor);

template <class T>
T* Pointer(const at::Tensor& tensor) {
  return tensor.defined() ? static_cast<T*>(tensor.data_ptr()) : nullptr;
}

/// Whether kernels run where the tensor is: on a GPU or, in tests that emulate them, on a CPU.
bool RunsKernels(const at::Tensor& tensor);

/// The stream that tensor operations go to on the tensor's device.
void* StreamOf(const at::Tensor& tensor);

/// Throws, as tensor operations do, when the last kernel was refused.
void CheckLaunch();

/// Queues a kernel behind the tensor operations on this device.
template <class Call>
void Enqueue(const at::Tensor& tensor, void (*launch)(const Call&, void*), const Call& call) {
  const c10::DeviceGuard guard(tensor.device());
  launch(call, StreamOf(tensor));
  CheckLaunch();
}

}  // namespace lathe::trainer::kernels::cuda
