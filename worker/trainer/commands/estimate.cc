#include "worker/trainer/commands/estimate.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <ostream>

#include "common/base/file_io.h"
#include "common/estimator/estimate.h"
#include "worker/trainer/commands/bench.h"
#include "worker/trainer/commands/model_shape.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/commands/step_speed.h"
#include "worker/trainer/commands/workload.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/device/guard.h"
#include "worker/trainer/kernels/kept_panels.h"
#include "worker/trainer/loop/dataset.h"
#include "worker/trainer/model/loader.h"
#include "worker/trainer/plan/plan.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMeasuringSeconds = 0.3;
/// Steps of models up to this size are taken to see how long they are; larger ones are almost
/// nothing but large products, and would take long to load.
constexpr std::int64_t kMeasuredParameters = 1'000'000'000;

Result<estimator::Estimate> Make(const plan::Plan& plan) {
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(plan.device));
  estimator::Machine machine{.name = plan.device, .gpu = !device.is_cpu()};
  machine.base_bytes = device.is_cpu() ? static_cast<double>(device::MemoryBytes(device)) : 0;
  if (device.is_cpu()) {
    machine.memory_bytes = static_cast<double>(device::AvailableBytes(device));
    machine.packs_bf16_weights = kernels::GainsByKeptPanels(at::kBFloat16);
  }
  auto description = model::DescribeModel(plan.paths.base_model);
  if (!description) return Failure(description.error().WithContext("paths.baseModel"));
  LATHE_ASSIGN_OR_RETURN(const auto data, loop::LoadDataset(plan, description->vocabulary));
  LATHE_ASSIGN_OR_RETURN(machine.matmul_flops,
                         MeasureMatmul(plan.device, plan.precision, kMeasuringSeconds));
  if (estimator::Parameters(ShapeOf(*description)) <= kMeasuredParameters) {
    LATHE_ASSIGN_OR_RETURN(machine.step_flops,
                           MeasureSteps(plan.paths.base_model, plan.device, plan.precision));
  }
  return estimator::MakeEstimate(ShapeOf(*description), WorkloadOf(plan, data), machine);
}

Json MemoryJson(const estimator::Memory& m) {
  const auto whole = [](double bytes) { return static_cast<std::int64_t>(bytes); };
  return {{"total", whole(m.total)},         {"weights", whole(m.weights)},
          {"trainable", whole(m.trainable)}, {"gradients", whole(m.gradients)},
          {"optimizer", whole(m.optimizer)}, {"activations", whole(m.activations)},
          {"working", whole(m.working)},     {"base", whole(m.base)}};
}

Json ToJson(const estimator::Estimate& e) {
  return {{"parameters", e.parameters},
          {"trainableParameters", e.trainable_parameters},
          {"memoryBytes", MemoryJson(e.memory)},
          {"steps", e.time.steps},
          {"tokens", e.time.tokens},
          {"tokensPerSecond", e.time.tokens_per_second},
          {"secondsPerStep", e.time.seconds_per_step},
          {"seconds", e.time.total_seconds}};
}

void PrintTable(const estimator::Estimate& e, std::ostream& out) {
  const auto line = [&](const char* name, double value, const char* unit) {
    char text[80];
    std::snprintf(text, sizeof text, "%-22s %12.3f %s\n", name, value, unit);
    out << text;
  };
  line("parameters", e.parameters / 1e6, "million");
  line("trained", e.trainable_parameters / 1e6, "million");
  line("memory", e.memory.total / 1e9, "GB");
  line("  weights", e.memory.weights / 1e9, "GB");
  line("  trained values", (e.memory.trainable + e.memory.gradients) / 1e9, "GB");
  line("  optimizer", e.memory.optimizer / 1e9, "GB");
  line("  activations", e.memory.activations / 1e9, "GB");
  line("  working space", e.memory.working / 1e9, "GB");
  line("  process", e.memory.base / 1e9, "GB");
  line("steps", static_cast<double>(e.time.steps), "");
  line("tokens", e.time.tokens / 1e6, "million");
  line("speed", e.time.tokens_per_second, "tokens/s");
  line("time", e.time.total_seconds, "s");
}

}  // namespace

int RunEstimate(const EstimateArguments& arguments, std::ostream& out) {
  const auto estimate = device::Guard([&]() -> Result<estimator::Estimate> {
    LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.plan));
    LATHE_ASSIGN_OR_RETURN(const plan::Plan plan, plan::ParsePlan(text));
    return Make(plan);
  });
  if (!estimate) return Report(estimate.error());
  if (arguments.json) {
    out << ToJson(*estimate).dump() << '\n';
  } else {
    PrintTable(*estimate, out);
  }
  return trainer_protocol::kExitSucceeded;
}

}  // namespace lathe::trainer::commands
