#include "worker/trainer/optim/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lathe::trainer::optim {
namespace {

/// The end rate of a polynomial decay when no minimum is given.
constexpr double kPolynomialEnd = 1e-7;

double Decay(const ScheduleSettings& s, double progress) {
  const auto floored = [&](double factor) {
    return factor * (1 - s.minimum_ratio) + s.minimum_ratio;
  };
  switch (s.type) {
    case ScheduleType::kCosine:
      return floored(
          std::max(0.0, 0.5 * (1 + std::cos(2 * std::numbers::pi * s.cycles * progress))));
    case ScheduleType::kLinear:
      return floored(std::max(0.0, 1 - progress));
    case ScheduleType::kPolynomial: {
      const double end = s.minimum_ratio > 0 ? s.minimum_ratio * s.learning_rate
                                             : std::min(kPolynomialEnd, s.learning_rate);
      const double rest = std::max(0.0, 1 - progress);
      return ((s.learning_rate - end) * rest + end) / s.learning_rate;
    }
    case ScheduleType::kConstant:
    case ScheduleType::kConstantWithWarmup:
      return 1;
  }
  return 1;
}

}  // namespace

double LearningRate(const ScheduleSettings& s, std::int64_t done) {
  if (s.type == ScheduleType::kConstant) return s.learning_rate;
  if (done < s.warmup_steps) {
    const auto warmup = static_cast<double>(std::max<std::int64_t>(1, s.warmup_steps));
    return s.learning_rate * (static_cast<double>(done) / warmup);
  }
  const auto span = static_cast<double>(std::max<std::int64_t>(1, s.total_steps - s.warmup_steps));
  return s.learning_rate * Decay(s, static_cast<double>(done - s.warmup_steps) / span);
}

}  // namespace lathe::trainer::optim
