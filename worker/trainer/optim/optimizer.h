#pragma once
// Optimizers on one flat fp32 tensor, with torch's order of operations.

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace lathe::trainer::optim {

enum class OptimizerType : std::uint8_t { kAdamW, kSgd };

struct OptimizerSettings {
  OptimizerType type = OptimizerType::kAdamW;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  ///< AdamW: decoupled; SGD: added to the gradient
};

/// What an optimizer carries from step to step.
struct OptimizerState {
  std::int64_t updates = 0;
  at::Tensor first_moment;   ///< like the parameters; undefined for SGD
  at::Tensor second_moment;  ///< likewise
};

OptimizerState MakeOptimizerState(const OptimizerSettings& settings, const at::Tensor& parameters);

/// One update in place. The gradient is used up.
void Update(const OptimizerSettings& settings, double learning_rate, at::Tensor& gradient,
            OptimizerState& state, at::Tensor& parameters);

/// The L2 norm of the gradient, accumulated in fp64.
double Norm(const at::Tensor& gradient);
/// gradient *= min(1, maximum / (norm + 1e-6)); a maximum of 0 is no limit.
void Clip(at::Tensor& gradient, double norm, double maximum);

}  // namespace lathe::trainer::optim
