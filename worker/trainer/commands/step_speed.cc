#include "worker/trainer/commands/step_speed.h"

#include <algorithm>

#include "common/estimator/estimate.h"
#include "worker/trainer/commands/model_shape.h"
#include "worker/trainer/commands/precision.h"
#include "worker/trainer/commands/timed_steps.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/loop/base_weights.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::commands {
namespace {

constexpr std::int64_t kRows = 4;
constexpr std::int64_t kTokens = 128;

/// Rows of tokens that are as good as any for the time that they take.
std::vector<data::Example> Rows(std::int64_t vocabulary) {
  std::vector<data::Example> rows(kRows);
  for (std::int64_t row = 0; row < kRows; ++row) {
    for (std::int64_t i = 0; i < kTokens; ++i) {
      rows[static_cast<std::size_t>(row)].tokens.push_back((row * 7919 + i * 104729) % vocabulary);
    }
    rows[static_cast<std::size_t>(row)].labels = rows[static_cast<std::size_t>(row)].tokens;
  }
  return rows;
}

}  // namespace

Result<double> MeasureSteps(const std::filesystem::path& model, const std::string& device_name,
                            const std::string& precision) {
  LATHE_ASSIGN_OR_RETURN(const at::Device device, device::Open(device_name));
  LATHE_ASSIGN_OR_RETURN(
      model::Decoder decoder,
      model::LoadDecoder(model,
                         {.dtype = TypeOf(precision), .device = device, .max_positions = kTokens}));
  loop::KeepPackedWhereAffordable(decoder, 1);
  LATHE_ASSIGN_OR_RETURN(
      const StepTimes times,
      TimeSteps(decoder, Rows(decoder.description.vocabulary), {{0, 1, 2, 3}}, {}));
  const double seconds = *std::min_element(times.seconds.begin(), times.seconds.end());
  estimator::Workload workload;
  workload.method.rank = adapters::LoraSettings().rank;
  const double flops =
      estimator::StepFlopsPerToken(ShapeOf(decoder.description), workload, kTokens);
  return flops * static_cast<double>(kRows * kTokens) / seconds;
}

}  // namespace lathe::trainer::commands
