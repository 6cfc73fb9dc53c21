#pragma once
// Optimizers on one flat fp32 tensor, with the order of operations of torch, transformers and
// bitsandbytes. What differs from matrix to matrix (8-bit blocks, factored moments) follows the
// layout of the flat tensor. Not thread-safe.

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/trainer/plan/parameter_defaults.h"

namespace lathe::trainer::optim {

enum class OptimizerType : std::uint8_t { kAdamW, kAdamW8Bit, kSgd, kAdafactor, kLion };

struct OptimizerSettings {
  OptimizerType type = OptimizerType::kAdamW;
  double beta1 = plan::DefaultNumber("optimizer.beta1");
  double beta2 = plan::DefaultNumber("optimizer.beta2");
  double epsilon = plan::DefaultNumber("optimizer.epsilon");
  double weight_decay = 0;  ///< SGD: added to the gradient; the others: decoupled
  /// AdamW and its 8-bit form on a GPU: the moments live in pinned host memory and visit the device
  /// a slice at a time. Changes no value, and nothing at all on a CPU.
  bool paged = false;
};

/// One matrix, vector or scalar within the flat tensor.
struct ParameterView {
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape;
};
/// Every view, by rising offset, without overlap.
using Layout = std::vector<ParameterView>;

/// What an optimizer carries from step to step: fp32 and uint8 tensors by the names that they have
/// in checkpoints.
struct OptimizerState {
  std::int64_t updates = 0;
  std::map<std::string, at::Tensor> tensors;
};

/// One update in place. The gradient is used up.
struct UpdateArguments {
  const Layout& layout;
  double learning_rate = 0;
  at::Tensor& gradient;    ///< fp32 [n]
  at::Tensor& parameters;  ///< fp32 [n]
};

OptimizerState MakeOptimizerState(const OptimizerSettings& settings, const Layout& layout,
                                  const at::Tensor& parameters);
void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state);

/// By the names of job configurations: "adamw", "adamw_8bit", "paged_adamw_8bit", ....
struct NamedOptimizer {
  OptimizerType type = OptimizerType::kAdamW;
  bool paged = false;
};
std::optional<NamedOptimizer> OptimizerFromName(std::string_view name);

/// The L2 norm of the gradient, accumulated in fp64.
double Norm(const at::Tensor& gradient);
/// gradient *= min(1, maximum / (norm + 1e-6)); a maximum of 0 is no limit.
void Clip(at::Tensor& gradient, double norm, double maximum);

}  // namespace lathe::trainer::optim
