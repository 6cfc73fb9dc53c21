#pragma once
// Where the kernels under test run: on a GPU in the programs of tests/gpu, emulated on the CPU in
// all others.

#include <ATen/Context.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#if !defined(LATHE_TEST_ON_GPU)
#include "worker/trainer/kernels/cuda/emulation.h"
#endif

namespace lathe::trainer::kernels::cuda {

#if defined(LATHE_TEST_ON_GPU)
inline constexpr bool kOnGpu = true;
inline at::Device KernelDevice() {
  return {at::kCUDA, 0};
}
#else
inline constexpr bool kOnGpu = false;
inline at::Device KernelDevice() {
  return {at::kCPU};
}
#endif

/// A copy where the kernels run.
inline at::Tensor There(const at::Tensor& tensor) {
  return tensor.to(KernelDevice(), tensor.scalar_type(), /*non_blocking=*/false, /*copy=*/true);
}
inline at::Tensor Back(const at::Tensor& tensor) {
  return tensor.to(at::kCPU);
}

/// Calls body for each order in which an emulated block's threads may run; on a GPU twice.
template <class Body>
void InEitherOrder(const Body& body) {
#if defined(LATHE_TEST_ON_GPU)
  body();
  body();
#else
  for (const auto order : {emulation::Order::kFalling, emulation::Order::kRising}) {
    emulation::SetOrder(order);
    body();
  }
#endif
}

/// Fixed random values; skips the test where it needs a GPU and there is none.
class KernelTest : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    if (kOnGpu && !at::globalContext().hasCUDA()) GTEST_SKIP() << "this machine has no usable GPU";
    at::Generator generator = at::globalContext().defaultGenerator(at::kCPU);
    generator.set_current_seed(11);
  }
};

inline const auto kTypes = testing::Values(at::kFloat, at::kBFloat16, at::kHalf);
inline std::string TypeName(const testing::TestParamInfo<at::ScalarType>& type) {
  return type.param == at::kFloat ? "fp32" : type.param == at::kHalf ? "fp16" : "bf16";
}

}  // namespace lathe::trainer::kernels::cuda
