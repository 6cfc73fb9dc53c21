#pragma once
// The parts of each optimizer, for the table in optimizer.cc. Private to this room.

#include "worker/trainer/optim/optimizer.h"

namespace lathe::trainer::optim {

/// Names of state tensors.
inline constexpr char kFirstMoment[] = "first_moment";
inline constexpr char kSecondMoment[] = "second_moment";

std::int64_t ElementCount(const ParameterView& view);

namespace adamw {
OptimizerState Make(const OptimizerSettings& settings, const Layout& layout,
                    const at::Tensor& parameters);
void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state);

/// The part of one update that is the same for every element.
struct Factors {
  double decay = 1;  ///< of the parameters, before the update
  double beta1 = 0;
  double beta2 = 0;
  double step = 0;             ///< learning rate / (1 - beta1^t)
  double root_correction = 1;  ///< sqrt(1 - beta2^t)
  double epsilon = 0;
};
Factors FactorsOf(const OptimizerSettings& settings, double learning_rate, std::int64_t updates);

struct Slice {
  at::Tensor gradient;
  at::Tensor parameters;
  at::Tensor first_moment;
  at::Tensor second_moment;
};
/// All four of one size.
void UpdateSlice(const Factors& factors, Slice slice);

/// Room for a moment: on the parameters' device, or pinned on the host when it is paged.
at::Tensor MomentZeros(std::int64_t elements, at::ScalarType type, const at::Tensor& parameters,
                       bool paged);
}  // namespace adamw

namespace adamw_8bit {
OptimizerState Make(const OptimizerSettings& settings, const Layout& layout,
                    const at::Tensor& parameters);
void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state);
}  // namespace adamw_8bit

namespace sgd {
OptimizerState Make(const OptimizerSettings& settings, const Layout& layout,
                    const at::Tensor& parameters);
void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state);
}  // namespace sgd

namespace adafactor {
OptimizerState Make(const OptimizerSettings& settings, const Layout& layout,
                    const at::Tensor& parameters);
void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state);
}  // namespace adafactor

namespace lion {
OptimizerState Make(const OptimizerSettings& settings, const Layout& layout,
                    const at::Tensor& parameters);
void Update(const OptimizerSettings& settings, const UpdateArguments& arguments,
            OptimizerState& state);
}  // namespace lion

}  // namespace lathe::trainer::optim
