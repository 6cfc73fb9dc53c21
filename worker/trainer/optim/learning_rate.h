#pragma once
// Learning-rate schedules with the formulas of the Python reference (transformers' get_*_schedule).
// Pure.

#include <cstdint>

#include "worker/trainer/plan/parameter_defaults.h"

namespace lathe::trainer::optim {

enum class ScheduleType : std::uint8_t {
  kCosine,
  kLinear,
  kConstant,
  kConstantWithWarmup,
  kPolynomial,
};

struct ScheduleSettings {
  ScheduleType type = ScheduleType::kCosine;
  double learning_rate = plan::DefaultNumber("optimizer.learningRate");
  std::int64_t warmup_steps = 0;
  std::int64_t total_steps = 1;
  double minimum_ratio = 0;  ///< of the learning rate, at the end; cosine, linear and polynomial
  /// Cosine: waves; a half falls once.
  double cycles = plan::DefaultNumber("optimizer.scheduler.cycles");
};

/// The rate for the update after `done` completed ones; with warm-up the first update has rate 0.
double LearningRate(const ScheduleSettings& settings, std::int64_t done);

}  // namespace lathe::trainer::optim
