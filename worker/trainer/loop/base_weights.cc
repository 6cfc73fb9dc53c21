#include "worker/trainer/loop/base_weights.h"

#include "common/estimator/memory.h"
#include "worker/trainer/device/device.h"
#include "worker/trainer/loop/method.h"
#include "worker/trainer/model/loader.h"

namespace lathe::trainer::loop {
namespace {

double BytesPerWeight(const plan::Plan& plan) {
  if (!plan.quantization) return static_cast<double>(at::elementSize(LoadedType(plan)));
  // Codes, and a scale a block.
  return plan.quantization->bits == 8 ? 1.01 : 0.57;
}

double LinearWeights(const model::ModelDescription& d) {
  const auto layer = d.hidden * (d.QkvWidth() + d.QueryWidth()) + 3 * d.hidden * d.intermediate;
  return static_cast<double>(layer) * static_cast<double>(d.layer.size());
}

/// Empty when the method leaves the weights alone.
std::string WhyWhole(const plan::Plan& plan) {
  if (plan.method == "full") return "method.type full trains them";
  return {};
}

Result<bool> TooLarge(const plan::Plan& plan, const distributed::Group& group,
                      const at::Device& device) {
  auto description = model::DescribeModel(plan.paths.base_model);
  if (!description) return Failure(description.error().WithContext("paths.baseModel"));
  const double bytes = LinearWeights(*description) * BytesPerWeight(plan);
  // Processes on CPUs share their machine's memory.
  const double copies = device.is_cpu() ? group.size() : 1;
  return bytes * copies > static_cast<double>(device::AvailableBytes(device)) / 2;
}

}  // namespace

Result<bool> ShardsBase(const plan::Plan& plan, const distributed::Group& group,
                        const at::Device& device) {
  if (group.size() == 1 || plan.base_weights == "replicated") return false;
  const std::string why_whole = WhyWhole(plan);
  if (plan.base_weights == "sharded") {
    if (why_whole.empty()) return true;
    return Failure(Error{ErrorCode::kInvalidArgument,
                         "each process needs the whole base weights: " + why_whole,
                         {{.path = "distributed.baseWeights",
                           .code = "conflict",
                           .message = "each process needs them whole: " + why_whole,
                           .given = "\"sharded\"",
                           .expected = "\"auto\" or \"replicated\""}}});
  }
  if (!why_whole.empty()) return false;
  LATHE_ASSIGN_OR_RETURN(const bool too_large, TooLarge(plan, group, device));
  return group.Any(too_large);
}

void KeepPackedWhereAffordable(model::Decoder& decoder, std::int64_t processes) {
  const std::int64_t bytes = model::PackableBytes(decoder);
  if (bytes == 0) return;
  if (estimator::AffordsPackedWeights(
          static_cast<double>(bytes * processes),
          static_cast<double>(device::AvailableBytes(decoder.device())))) {
    model::KeepPacked(decoder);
  }
}

}  // namespace lathe::trainer::loop
