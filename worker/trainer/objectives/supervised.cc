#include "worker/trainer/objectives/supervised.h"

#include <ATen/ops/full.h>

#include <numeric>

namespace lathe::trainer::objectives {
namespace {

/// In the order of the targets and in fp64: the sum does not depend on threads.
double Sum(const at::Tensor& losses) {
  const auto* values = static_cast<const float*>(losses.data_ptr());
  return std::accumulate(values, values + losses.numel(), 0.0);
}

ObjectiveOutput Compute(const ObjectiveInput& input) {
  const auto& [pass, hidden, targets, reference, scale] = input;
  if (scale == 0) {
    return {.loss = Sum(TargetLosses(pass, hidden, targets, Mode::kEvaluation)),
            .measures = {},
            .dhidden = {}};
  }
  const at::Tensor scales =
      at::full({targets.rows.size(0)}, scale, hidden.options().dtype(at::kFloat));
  auto [losses, dhidden] = TargetLossesWithGradient(pass, hidden, targets, scales);
  return {.loss = Sum(losses), .measures = {}, .dhidden = std::move(dhidden)};
}

}  // namespace

Objective MakeSupervised() {
  return {.average = Average::kTargets, .group = 1, .measures = {}, .compute = &Compute};
}

}  // namespace lathe::trainer::objectives
