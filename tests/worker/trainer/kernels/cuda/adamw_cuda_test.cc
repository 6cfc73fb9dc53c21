// The optimizer's kernels against the CPU's loops: the same values within rounding, and codes that
// differ where a value lies on the border between two.

#include "worker/trainer/optim/adamw_cuda.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/kernels/cuda/kernel_device.h"

namespace lathe::trainer::optim {
namespace {

using kernels::cuda::Back;
using kernels::cuda::KernelDevice;
using kernels::cuda::There;

constexpr std::int64_t kElements = 5 * 256 + 77;  // The last block is not whole.
constexpr int kSteps = 6;

adamw::Factors FactorsAt(int step) {
  const OptimizerSettings settings{
      .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8, .weight_decay = 0.1};
  return adamw::FactorsOf(settings, 1e-2, step);
}

float Distance(const at::Tensor& there, const at::Tensor& here) {
  return (Back(there) - here).abs().max().item<float>();
}

class AdamWCudaTest : public kernels::cuda::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Type, AdamWCudaTest, testing::Values(at::kFloat), kernels::cuda::TypeName);

TEST_P(AdamWCudaTest, PlainUpdate) {
  const auto zeros = [] { return at::zeros({kElements}, at::kFloat); };
  const adamw::Slice here{{}, at::randn({kElements}, at::kFloat), zeros(), zeros()};
  const adamw::Slice there{{}, There(here.parameters), There(zeros()), There(zeros())};
  for (int step = 1; step <= kSteps; ++step) {
    const at::Tensor gradient = at::randn({kElements}, at::kFloat);
    adamw::UpdateSlice(FactorsAt(step),
                       {gradient, here.parameters, here.first_moment, here.second_moment});
    UpdateSliceByKernel(FactorsAt(step), {There(gradient), there.parameters, there.first_moment,
                                          there.second_moment});
  }
  EXPECT_LT(Distance(there.parameters, here.parameters), 1e-6F);
  EXPECT_LT(Distance(there.first_moment, here.first_moment), 1e-6F);
  EXPECT_LT(Distance(there.second_moment, here.second_moment), 1e-6F);
}

adamw_8bit::QuantizedMoment NoMoment(const at::Device& device) {
  const std::int64_t blocks = (kElements + adamw_8bit::kBlock - 1) / adamw_8bit::kBlock;
  const auto options = at::TensorOptions().device(device);
  return {at::zeros({blocks * adamw_8bit::kBlock}, options.dtype(at::kByte)),
          at::zeros({blocks}, options.dtype(at::kFloat))};
}

TEST_P(AdamWCudaTest, UpdateWithMomentsInEightBits) {
  adamw_8bit::BlockSlice here{
      {}, at::randn({kElements}, at::kFloat), NoMoment(at::kCPU), NoMoment(at::kCPU)};
  adamw_8bit::BlockSlice there{
      {}, There(here.parameters), NoMoment(KernelDevice()), NoMoment(KernelDevice())};
  for (int step = 1; step <= kSteps; ++step) {
    here.gradient = at::randn({kElements}, at::kFloat);
    if (step == 1) here.gradient.narrow(0, 0, 256).zero_();  // A block of zeros.
    there.gradient = There(here.gradient);
    adamw_8bit::UpdateBlocksFused(FactorsAt(step), here);
    UpdateBlocksByKernel(FactorsAt(step), there);
    EXPECT_LE((Back(there.first.codes) != here.first.codes).sum().item<std::int64_t>(), 6);
    EXPECT_LE((Back(there.second.codes) != here.second.codes).sum().item<std::int64_t>(), 6);
    EXPECT_LT(Distance(there.first.maxima, here.first.maxima), 1e-3F);
  }
  // A code that differs moves its own value by a fraction of a step.
  EXPECT_LT(Distance(there.parameters, here.parameters), 1e-2F);
  EXPECT_LT((Back(there.parameters) - here.parameters).abs().mean().item<float>(), 1e-5F);
}

}  // namespace
}  // namespace lathe::trainer::optim
