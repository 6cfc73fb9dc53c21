#include "worker/trainer/commands/timed_steps.h"

#include <chrono>

#include "worker/trainer/adapters/peft.h"

namespace lathe::trainer::commands {

Result<StepTimes> TimeSteps(const model::Decoder& decoder,
                            const std::vector<loop::Example>& examples,
                            const std::vector<std::vector<std::size_t>>& micro_batches,
                            const StepTiming& timing) {
  using Clock = std::chrono::steady_clock;
  LATHE_ASSIGN_OR_RETURN(auto adapter, adapters::LoraAdapter::Create(decoder, timing.lora,
                                                                     adapters::Purpose::kTraining));
  adapter.Initialize(1);
  loop::Stepper stepper(decoder, adapters::ToTrainable(adapter), timing.stepper);
  StepTimes times{.seconds = {}, .last = {}, .trained = adapter.parameters().numel()};
  for (std::int64_t step = 0; step < timing.warmup + timing.steps; ++step) {
    const auto begin = Clock::now();
    // A step ends with its gradient norm on the host: all that it queued is done then.
    times.last = *stepper.Step(
        {.step = step, .learning_rate = 1e-4, .examples = examples, .micro_batches = micro_batches},
        [] { return false; });
    if (step < timing.warmup) continue;
    times.seconds.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  return times;
}

}  // namespace lathe::trainer::commands
