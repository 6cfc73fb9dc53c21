#include "worker/trainer/optim/optimizer.h"

#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace lathe::trainer::optim {
namespace {

void AdamW(const OptimizerSettings& s, double learning_rate, const at::Tensor& gradient,
           OptimizerState& state, at::Tensor& parameters) {
  const auto t = static_cast<double>(state.updates);
  const double correction1 = 1 - std::pow(s.beta1, t);
  const double correction2 = 1 - std::pow(s.beta2, t);
  parameters.mul_(1 - learning_rate * s.weight_decay);
  state.first_moment.lerp_(gradient, 1 - s.beta1);
  state.second_moment.mul_(s.beta2).addcmul_(gradient, gradient, 1 - s.beta2);
  at::Tensor denominator = state.second_moment.sqrt();
  denominator.div_(std::sqrt(correction2)).add_(s.epsilon);
  parameters.addcdiv_(state.first_moment, denominator, -learning_rate / correction1);
}

}  // namespace

OptimizerState MakeOptimizerState(const OptimizerSettings& settings, const at::Tensor& parameters) {
  if (settings.type == OptimizerType::kSgd) return {};
  return {0, at::zeros_like(parameters), at::zeros_like(parameters)};
}

void Update(const OptimizerSettings& settings, double learning_rate, at::Tensor& gradient,
            OptimizerState& state, at::Tensor& parameters) {
  ++state.updates;
  if (settings.type == OptimizerType::kAdamW) {
    return AdamW(settings, learning_rate, gradient, state, parameters);
  }
  if (settings.weight_decay != 0) gradient.add_(parameters, settings.weight_decay);
  parameters.add_(gradient, -learning_rate);
}

double Norm(const at::Tensor& gradient) {
  return at::linalg_vector_norm(gradient, 2, at::OptionalIntArrayRef(), false, at::kDouble)
      .item<double>();
}

void Clip(at::Tensor& gradient, double norm, double maximum) {
  if (maximum <= 0) return;
  const double factor = maximum / (norm + 1e-6);
  if (factor < 1) gradient.mul_(factor);
}

}  // namespace lathe::trainer::optim
