// Lion (https://arxiv.org/abs/2302.06675): the sign of an interpolated momentum, decoupled decay.

#include <ATen/ops/lerp.h>
#include <ATen/ops/zeros_like.h>

#include "worker/trainer/optim/kinds.h"

namespace lathe::trainer::optim::lion {

OptimizerState Make(const OptimizerSettings&, const Layout&, const at::Tensor& parameters) {
  return {.tensors = {{kFirstMoment, at::zeros_like(parameters)}}};
}

void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state) {
  at::Tensor& momentum = state.tensors.at(kFirstMoment);
  arguments.parameters.mul_(1 - arguments.learning_rate * settings.weight_decay);
  const at::Tensor direction =
      momentum.mul(settings.beta1).add_(arguments.gradient, 1 - settings.beta1).sign_();
  arguments.parameters.add_(direction, -arguments.learning_rate);
  momentum.mul_(settings.beta2).add_(arguments.gradient, 1 - settings.beta2);
}

}  // namespace lathe::trainer::optim::lion
