#pragma once
// At which steps a run saves and evaluates. Pure.

#include <cstdint>

#include "worker/trainer/optim/learning_rate.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::trainer::loop {

struct Milestones {
  std::int64_t total_steps = 1;
  std::int64_t checkpoints = 0;  ///< spread evenly, the last at the end; unless save_steps is given
  std::int64_t evaluations = 0;  ///< likewise with eval_steps
  std::optional<std::int64_t> save_steps;
  std::optional<std::int64_t> eval_steps;

  /// `step` counts completed steps, from 1.
  bool IsSave(std::int64_t step) const;
  bool IsEvaluation(std::int64_t step) const;
};

Milestones MakeMilestones(const plan::SchedulePlan& schedule, std::int64_t total_steps);

/// The schedule's type, rates and steps; warm-up of a ratio is rounded up.
optim::ScheduleSettings MakeScheduleSettings(const plan::OptimizerPlan& optimizer,
                                             std::int64_t total_steps);

}  // namespace lathe::trainer::loop
