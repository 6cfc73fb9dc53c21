#include "common/estimator/estimate.h"

#include <algorithm>
#include <cmath>

namespace lathe::estimator {
namespace {

Time EstimateTime(const ModelShape& shape, const Workload& workload, const Machine& machine,
                  const Memory& memory) {
  Time time;
  const double rows = workload.preference ? 2 : 1;
  const double mean = workload.data.examples == 0 ? static_cast<double>(workload.sequence_length)
                                                  : workload.data.mean_tokens;
  double per_step = static_cast<double>(workload.batch_size * workload.gradient_accumulation);
  if (workload.packing && mean > 0) {
    per_step *= static_cast<double>(workload.sequence_length) / mean;
  }
  const auto examples = static_cast<double>(workload.data.examples);
  if (examples > 0) per_step = std::min(per_step, examples);
  const auto steps_per_epoch = std::max(1.0, std::ceil(examples / per_step));
  time.steps = workload.max_steps.value_or(
      static_cast<std::int64_t>(std::ceil(steps_per_epoch * workload.epochs)));
  const double run_examples = workload.max_steps ? per_step * static_cast<double>(time.steps)
                                                 : std::max(1.0, examples) * workload.epochs;
  time.tokens = run_examples * mean * rows;
  time.tokens_per_step = time.tokens / static_cast<double>(std::max<std::int64_t>(1, time.steps));
  time.start_seconds = machine.start_seconds + memory.weights / machine.load_bytes_per_second;
  const double rate =
      machine.step_flops > 0 ? machine.step_flops : machine.matmul_flops * machine.efficiency;
  if (rate <= 0) return time;
  time.tokens_per_second = rate / StepFlopsPerToken(shape, workload, mean);
  time.seconds_per_step = time.tokens_per_step / time.tokens_per_second;
  const double evaluated =
      static_cast<double>(workload.evaluations * workload.evaluation.examples) *
      workload.evaluation.mean_tokens * rows;
  // An evaluation is a forward pass, about half of a step's work.
  time.total_seconds = time.start_seconds + (time.tokens + evaluated / 2) / time.tokens_per_second;
  return time;
}

std::string Gigabytes(double bytes) {
  const auto tenths = static_cast<std::int64_t>(std::ceil(bytes / 1e8));
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " GB";
}

/// Tries the usual ways out alone, from the mildest on; each is told when it is enough.
std::vector<std::string> FindRemedies(const ModelShape& shape, const Workload& workload,
                                      const Machine& machine) {
  struct Way {
    const char* text;
    Workload changed;
  };
  std::vector<Way> ways;
  const auto add = [&](const char* text, auto change) {
    Way way{text, workload};
    change(way.changed);
    ways.push_back(std::move(way));
  };
  if (!workload.gradient_checkpointing) {
    add("add gradient_checkpointing to optimizations.enabled",
        [](Workload& w) { w.gradient_checkpointing = true; });
  }
  if (workload.batch_size > 1) {
    add("schedule.batchSize 1, and schedule.gradientAccumulation raised to match",
        [](Workload& w) { w.batch_size = 1; });
    add("both of these", [](Workload& w) {
      w.batch_size = 1;
      w.gradient_checkpointing = true;
    });
  }
  if (workload.bytes_per_value > 2) {
    add("model.precision bf16", [](Workload& w) { w.bytes_per_value = 2; });
  }
  if (workload.method.method == Method::kFull) {
    add("method.type lora", [](Workload& w) { w.method.method = Method::kLora; });
  }
  if (workload.method.method != Method::kQlora) {
    add("method.type qlora with gradient_checkpointing and schedule.batchSize 1", [](Workload& w) {
      w.method.method = Method::kQlora;
      w.gradient_checkpointing = true;
      w.batch_size = 1;
    });
  }
  std::vector<std::string> remedies;
  for (const Way& way : ways) {
    const double total = EstimateMemory(shape, way.changed, machine).total;
    if (total > machine.memory_bytes) continue;
    remedies.push_back(std::string(way.text) + " (needs " + Gigabytes(total) + ")");
  }
  return remedies;
}

}  // namespace

double StepFlopsPerToken(const ModelShape& shape, const Workload& workload, double length) {
  const auto linear = static_cast<double>(LinearParameters(shape));
  const double head = static_cast<double>(shape.vocabulary * shape.hidden) *
                      std::clamp(workload.data.target_share, 0.0, 1.0);
  const double trained = TrainableParameters(shape, workload.method);
  const bool full = workload.method.method == Method::kFull;
  // Scores and weighted values, for half of the keys on average.
  const double attention =
      2.0 * static_cast<double>(shape.heads * shape.head_dim * shape.layers) * length;
  const double forward = 2 * linear + 2 * attention / 2;
  double flops = forward + 2 * head;        // forward
  flops += forward + attention + 2 * head;  // gradients of inputs
  flops += full ? 2 * (linear + head) : 6 * trained;
  if (workload.gradient_checkpointing) flops += forward;
  if (workload.preference) flops += forward + 2 * head;  // the reference
  return flops;
}

Estimate MakeEstimate(const ModelShape& shape, const Workload& workload, const Machine& machine) {
  Estimate estimate;
  estimate.parameters = static_cast<double>(Parameters(shape));
  estimate.trainable_parameters = TrainableParameters(shape, workload.method);
  estimate.memory = EstimateMemory(shape, workload, machine);
  estimate.time = EstimateTime(shape, workload, machine, estimate.memory);
  if (machine.price_per_hour && estimate.time.total_seconds > 0) {
    estimate.cost = *machine.price_per_hour * estimate.time.total_seconds / 3600;
  }
  estimate.fits = machine.memory_bytes <= 0 || estimate.memory.total <= machine.memory_bytes;
  if (!estimate.fits) estimate.remedies = FindRemedies(shape, workload, machine);
  return estimate;
}

}  // namespace lathe::estimator
