#include "worker/trainer/loop/milestones.h"

#include <cmath>

#include "common/base/check.h"

namespace lathe::trainer::loop {
namespace {

bool IsMilestone(std::int64_t step, const std::optional<std::int64_t>& every, std::int64_t count,
                 std::int64_t total) {
  if (every) return step % *every == 0 || step == total;
  return step * count / total > (step - 1) * count / total;
}

optim::ScheduleType TypeOf(const std::string& name) {
  if (name == "cosine") return optim::ScheduleType::kCosine;
  if (name == "linear") return optim::ScheduleType::kLinear;
  if (name == "constant") return optim::ScheduleType::kConstant;
  if (name == "constant_with_warmup") return optim::ScheduleType::kConstantWithWarmup;
  LATHE_CHECK(name == "polynomial", "the plan's parser lets no other name through");
  return optim::ScheduleType::kPolynomial;
}

}  // namespace

bool Milestones::IsSave(std::int64_t step) const {
  return IsMilestone(step, save_steps, checkpoints, total_steps);
}

bool Milestones::IsEvaluation(std::int64_t step) const {
  return IsMilestone(step, eval_steps, evaluations, total_steps);
}

Milestones MakeMilestones(const plan::SchedulePlan& schedule, std::int64_t total_steps) {
  return {.total_steps = total_steps,
          .checkpoints = schedule.checkpoints,
          .evaluations = schedule.evaluations,
          .save_steps = schedule.save_steps,
          .eval_steps = schedule.eval_steps};
}

optim::ScheduleSettings MakeScheduleSettings(const plan::OptimizerPlan& optimizer,
                                             std::int64_t total_steps) {
  const auto warmup = static_cast<std::int64_t>(
      std::ceil(static_cast<double>(total_steps) * optimizer.warmup_ratio));
  return {.type = TypeOf(optimizer.schedule),
          .learning_rate = optimizer.learning_rate,
          .warmup_steps = optimizer.warmup_steps.value_or(warmup),
          .total_steps = total_steps,
          .minimum_ratio = optimizer.minimum_ratio,
          .cycles = optimizer.cycles};
}

}  // namespace lathe::trainer::loop
