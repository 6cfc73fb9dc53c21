#include "worker/trainer/objectives/supervised.h"

#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>

#include <numeric>

namespace lathe::trainer::objectives {
namespace {

/// In the order of the targets and in fp64: the sum does not depend on threads.
double Sum(const at::Tensor& tensor) {
  const auto* values = static_cast<const float*>(tensor.data_ptr());
  return std::accumulate(values, values + tensor.numel(), 0.0);
}

/// Elsewhere than on the CPU nothing waits for the sums.
ObjectiveOutput Summed(const Scores& scores, at::Tensor dhidden) {
  if (!scores.losses.is_cpu()) {
    return {.loss = 0,
            .measures = {0},
            .later = at::stack({scores.losses, scores.hits}).sum(1, false, at::kDouble),
            .dhidden = std::move(dhidden)};
  }
  return {
      .loss = Sum(scores.losses), .measures = {Sum(scores.hits)}, .dhidden = std::move(dhidden)};
}

ObjectiveOutput Compute(const ObjectiveInput& input) {
  const auto& [pass, hidden, targets, reference, scale] = input;
  if (scale == 0) return Summed(ScoreTargets(pass, hidden, targets, Mode::kEvaluation), {});
  const at::Tensor scales =
      at::full({targets.rows.size(0)}, scale, hidden.options().dtype(at::kFloat));
  auto [scores, dhidden] = ScoreWithGradient(pass, hidden, targets, scales);
  return Summed(scores, std::move(dhidden));
}

}  // namespace

Objective MakeSupervised() {
  return {
      .average = Average::kTargets, .group = 1, .measures = {"tokenAccuracy"}, .compute = &Compute};
}

}  // namespace lathe::trainer::objectives
