#pragma once
// LoRA's training steps against the clock, for the commands that measure.

#include <cstdint>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/adapters/lora.h"
#include "worker/trainer/loop/stepper.h"

namespace lathe::trainer::commands {

struct StepTiming {
  adapters::LoraSettings lora;
  loop::StepperSettings stepper;
  std::int64_t warmup = 1;  ///< steps that do not count: the first also sets up the libraries
  std::int64_t steps = 3;
};

struct StepTimes {
  std::vector<double> seconds;  ///< of each step that counts
  loop::StepResult last;
  std::int64_t trained = 0;  ///< parameters
};

/// Every step is of all micro-batches.
Result<StepTimes> TimeSteps(const model::Decoder& decoder,
                            const std::vector<loop::Example>& examples,
                            const std::vector<std::vector<std::size_t>>& micro_batches,
                            const StepTiming& timing);

}  // namespace lathe::trainer::commands
