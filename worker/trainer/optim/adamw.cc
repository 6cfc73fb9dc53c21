// AdamW (https://arxiv.org/abs/1711.05101) as torch.optim.AdamW computes it: epsilon stands behind
// the bias correction, and the decay comes before the update.

#include <ATen/Parallel.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

#include "worker/trainer/optim/adamw_cuda.h"
#include "worker/trainer/optim/kinds.h"

namespace lathe::trainer::optim::adamw {
namespace {

/// Elements of a moment that are on the device at once when it is paged: 64 MB each.
constexpr std::int64_t kPageElements = std::int64_t{1} << 24;
/// Of all tensors of an update, what stays in a core's second-level cache.
constexpr std::int64_t kNearElements = std::int64_t{1} << 16;

void UpdateTogether(const Factors& factors, const Slice& slice) {
  slice.parameters.mul_(factors.decay);
  slice.first_moment.lerp_(slice.gradient, 1 - factors.beta1);
  slice.second_moment.mul_(factors.beta2)
      .addcmul_(slice.gradient, slice.gradient, 1 - factors.beta2);
  at::Tensor denominator = slice.second_moment.sqrt();
  denominator.div_(factors.root_correction).add_(factors.epsilon);
  slice.parameters.addcdiv_(slice.first_moment, denominator, -factors.step);
}

}  // namespace

Factors FactorsOf(const OptimizerSettings& settings, double learning_rate, std::int64_t updates) {
  const auto t = static_cast<double>(updates);
  return {.decay = 1 - learning_rate * settings.weight_decay,
          .beta1 = settings.beta1,
          .beta2 = settings.beta2,
          .step = learning_rate / (1 - std::pow(settings.beta1, t)),
          .root_correction = std::sqrt(1 - std::pow(settings.beta2, t)),
          .epsilon = settings.epsilon};
}

void UpdateSlice(const Factors& factors, Slice slice) {
#if defined(LATHE_CUDA_KERNELS)
  if (slice.parameters.is_cuda()) return UpdateSliceByKernel(factors, slice);
#endif
  if (!slice.parameters.is_cpu()) return UpdateTogether(factors, slice);
  // Some elements at a time, so that memory is read and written once, not by each operation.
  const std::int64_t count = slice.parameters.numel();
  const std::int64_t parts = (count + kNearElements - 1) / kNearElements;
  at::parallel_for(0, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t part = begin; part < end; ++part) {
      const std::int64_t first = part * kNearElements;
      const auto near = [&](const at::Tensor& tensor) {
        return tensor.narrow(0, first, std::min(kNearElements, count - first));
      };
      UpdateTogether(factors, {near(slice.gradient), near(slice.parameters),
                               near(slice.first_moment), near(slice.second_moment)});
    }
  });
}

at::Tensor MomentZeros(std::int64_t elements, at::ScalarType type, const at::Tensor& parameters,
                       bool paged) {
  const auto options = parameters.options().dtype(type);
  if (!paged || parameters.is_cpu()) return at::zeros({elements}, options);
  return at::zeros({elements}, options.device(at::kCPU).pinned_memory(true));
}

OptimizerState Make(const OptimizerSettings& settings, const Layout&,
                    const at::Tensor& parameters) {
  OptimizerState state;
  for (const char* name : {kFirstMoment, kSecondMoment}) {
    state.tensors[name] = MomentZeros(parameters.numel(), at::kFloat, parameters, settings.paged);
  }
  return state;
}

void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state) {
  const Factors factors = FactorsOf(settings, arguments.learning_rate, state.updates);
  const at::Tensor& first = state.tensors.at(kFirstMoment);
  const at::Tensor& second = state.tensors.at(kSecondMoment);
  const at::Tensor& parameters = arguments.parameters;
  if (first.device() == parameters.device()) {
    return UpdateSlice(factors, {arguments.gradient, parameters, first, second});
  }
  for (std::int64_t begin = 0; begin < parameters.numel(); begin += kPageElements) {
    const std::int64_t count = std::min(kPageElements, parameters.numel() - begin);
    const bool last = begin + count == parameters.numel();
    const auto page = [&](const at::Tensor& tensor) { return tensor.narrow(0, begin, count); };
    const at::Tensor m = page(first).to(parameters.device(), /*non_blocking=*/true);
    const at::Tensor v = page(second).to(parameters.device(), /*non_blocking=*/true);
    UpdateSlice(factors, {page(arguments.gradient), page(parameters), m, v});
    page(first).copy_(m, /*non_blocking=*/true);
    // Work on a stream is done in order: when the last copy is there, all of them are.
    page(second).copy_(v, /*non_blocking=*/!last);
  }
}

}  // namespace lathe::trainer::optim::adamw
