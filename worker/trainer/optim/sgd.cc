// Plain stochastic gradient descent, without momentum; as torch.optim.SGD, the decay is part of the
// gradient.

#include "worker/trainer/optim/kinds.h"

namespace lathe::trainer::optim::sgd {

OptimizerState Make(const OptimizerSettings&, const Layout&, const at::Tensor&) {
  return {};
}

void Update(const OptimizerSettings& settings, const UpdateArguments& arguments, OptimizerState&) {
  if (settings.weight_decay != 0) {
    arguments.gradient.add_(arguments.parameters, settings.weight_decay);
  }
  arguments.parameters.add_(arguments.gradient, -arguments.learning_rate);
}

}  // namespace lathe::trainer::optim::sgd
