#pragma once
// What is minimised, as a value: a function from the hidden states of a micro-batch to a loss and
// the gradient of the hidden states. Everything that it returns beside the gradient is a sum over
// the micro-batch, so that micro-batches and processes add up; the caller divides by the number of
// what is averaged over in the whole step.

#include <functional>
#include <string>
#include <vector>

#include "worker/trainer/objectives/target_losses.h"

namespace lathe::trainer::objectives {

struct ObjectiveInput {
  const model::PassContext& pass;
  const at::Tensor& hidden;  ///< [N, hidden], before the final norm
  const Targets& targets;
  /// Of each sequence, the log-probability of its targets under the reference; empty: 0.
  const std::vector<double>& reference;
  double gradient_scale = 0;  ///< 0: no gradient, and evaluation (no dropout)
};

struct ObjectiveOutput {
  double loss = 0;
  std::vector<double> measures;
  /// fp64 [1 + measures], on the device: what is to be added to the loss and the measures once
  /// somebody waits for the device anyway; undefined where they are complete.
  at::Tensor later = {};
  at::Tensor dhidden;  ///< gradient of loss * gradient_scale; undefined when that is 0
};

/// What a loss is a mean of.
enum class Average : std::uint8_t { kTargets, kGroups };

struct Objective {
  Average average = Average::kTargets;
  std::size_t group = 1;              ///< sequences that belong together and are never parted
  std::vector<std::string> measures;  ///< names, as in the events
  std::function<ObjectiveOutput(const ObjectiveInput&)> compute;
};

/// What the loss of a step is divided by.
inline double Divisor(const Objective& objective, std::int64_t targets, std::int64_t groups) {
  const std::int64_t count = objective.average == Average::kTargets ? targets : groups;
  return static_cast<double>(count > 0 ? count : 1);
}

}  // namespace lathe::trainer::objectives
