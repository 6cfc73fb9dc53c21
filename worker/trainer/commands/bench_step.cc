#include "worker/trainer/commands/bench_step.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <ostream>

#include "common/base/random.h"
#include "worker/trainer/commands/model_shape.h"
#include "worker/trainer/commands/precision.h"
#include "worker/trainer/commands/report.h"
#include "worker/trainer/commands/timed_steps.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/device/guard.h"
#include "worker/trainer/loop/base_weights.h"
#include "worker/trainer/model/random_decoder.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

using Json = nlohmann::ordered_json;

std::optional<quantization::QuantizationSettings> QuantizationOf(const std::string& name) {
  using quantization::QuantizationType;
  if (name == "none") return std::nullopt;
  const auto type = name == "int8"  ? QuantizationType::kInt8
                    : name == "fp4" ? QuantizationType::kFp4
                                    : QuantizationType::kNf4;
  return quantization::QuantizationSettings{.type = type, .double_quantization = true};
}

/// Documents of random tokens, as many as one step has.
std::vector<loop::Example> RandomDocuments(const BenchStepArguments& arguments,
                                           std::int64_t vocabulary) {
  Random random(1);
  std::vector<loop::Example> examples(static_cast<std::size_t>(
      arguments.documents * arguments.batch_size * arguments.accumulation));
  const std::int64_t length =
      std::max<std::int64_t>(2, arguments.sequence_length / arguments.documents);
  for (loop::Example& example : examples) {
    for (std::int64_t i = 0; i < length; ++i) {
      example.tokens.push_back(
          static_cast<std::int64_t>(random.Next() % static_cast<std::uint64_t>(vocabulary)));
    }
    example.labels = example.tokens;
  }
  return examples;
}

std::vector<std::vector<std::size_t>> MicroBatches(const BenchStepArguments& arguments) {
  const auto size = static_cast<std::size_t>(arguments.documents * arguments.batch_size);
  std::vector<std::vector<std::size_t>> batches(static_cast<std::size_t>(arguments.accumulation));
  for (std::size_t i = 0; i < batches.size(); ++i) {
    batches[i].resize(size);
    std::iota(batches[i].begin(), batches[i].end(), i * size);
  }
  return batches;
}

StepTiming TimingOf(const BenchStepArguments& arguments) {
  return {.lora = {.rank = arguments.rank, .alpha = 2 * static_cast<double>(arguments.rank)},
          .stepper = {.recompute = arguments.recompute, .offload = arguments.offload},
          .warmup = arguments.warmup,
          .steps = arguments.steps};
}

Result<Json> Measure(const BenchStepArguments& arguments) {
  LATHE_ASSIGN_OR_RETURN(const auto description, model::DescribeModel(arguments.shape));
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(arguments.device));
  model::Decoder decoder =
      model::RandomDecoder(description, {.dtype = TypeOf(arguments.precision),
                                         .device = device,
                                         .max_positions = arguments.sequence_length,
                                         .quantization = QuantizationOf(arguments.quantization)});
  loop::KeepPackedWhereAffordable(decoder, 1);
  const std::int64_t weights = device::MemoryBytes(device);
  LATHE_ASSIGN_OR_RETURN(const StepTimes measured,
                         TimeSteps(decoder, RandomDocuments(arguments, description.vocabulary),
                                   MicroBatches(arguments), TimingOf(arguments)));
  std::vector<double> sorted = measured.seconds;
  std::sort(sorted.begin(), sorted.end());
  const double median = sorted[sorted.size() / 2];
  const double rate = static_cast<double>(measured.last.tokens) / median;
  const auto parameters = static_cast<double>(estimator::Parameters(ShapeOf(description)));
  return Json{{"shape", ShapeJson(ShapeOf(description))},
              {"device", arguments.device},
              {"precision", arguments.precision},
              {"quantization", arguments.quantization},
              {"rank", arguments.rank},
              {"sequenceLength", arguments.sequence_length},
              {"documents", arguments.documents},
              {"batchSize", arguments.batch_size},
              {"accumulation", arguments.accumulation},
              {"gradientCheckpointing", arguments.recompute},
              {"activationOffloading", arguments.offload},
              {"trainableParameters", measured.trained},
              {"stepSeconds", measured.seconds},
              {"tokensPerSecond", rate},
              // 4 for each parameter and token: forward, and backward without weight gradients.
              {"modelFlops", 4 * parameters * rate},
              {"weightBytes", weights},
              {"memoryBytes", device::PeakMemoryBytes(device)},
              {"loss", measured.last.loss}};
}

}  // namespace

int RunBenchStep(const BenchStepArguments& arguments, std::ostream& out) {
  const auto measured = device::Guard([&] { return Measure(arguments); });
  if (!measured) return Report(measured.error());
  if (arguments.json) {
    out << measured->dump() << '\n';
    return trainer_protocol::kExitSucceeded;
  }
  const auto number = [&](const char* key) { return (*measured)[key].get<double>(); };
  out << static_cast<std::int64_t>(number("tokensPerSecond")) << " tokens/s, "
      << number("modelFlops") / 1e12 << " model TFLOP/s (4N), " << number("memoryBytes") / (1 << 30)
      << " GiB\n";
  return trainer_protocol::kExitSucceeded;
}

}  // namespace lathe::trainer::commands
