#include "worker/trainer/loop/method.h"

#include "worker/trainer/adapters/peft.h"

namespace lathe::trainer::loop {
namespace {

adapters::LoraSettings ToSettings(const plan::LoraPlan& lora) {
  return {.rank = lora.rank,
          .alpha = lora.alpha,
          .dropout = lora.dropout,
          .rslora = lora.rslora,
          .modules = lora.modules,
          .rank_pattern = lora.rank_pattern,
          .alpha_pattern = lora.alpha_pattern};
}

Status CheckScale(const adapters::LoraSettings& ours, const adapters::LoraSettings& theirs,
                  const std::filesystem::path& folder) {
  if (ours.alpha == theirs.alpha && ours.rank == theirs.rank && ours.rslora == theirs.rslora) {
    return {};
  }
  return Failure(ErrorCode::kInvalidArgument,
                 "paths.initAdapter: " + folder.string() + " has rank " +
                     std::to_string(theirs.rank) + ", alpha " + std::to_string(theirs.alpha) +
                     ", rsLoRA " + (theirs.rslora ? "on" : "off") +
                     "; set rank, alpha and useRslora of method.loraConfig to the same");
}

Result<adapters::Trainable> StartLora(const plan::Plan& plan, const model::Decoder& decoder) {
  const adapters::LoraSettings settings = ToSettings(plan.lora);
  LATHE_ASSIGN_OR_RETURN(
      auto adapter, adapters::LoraAdapter::Create(decoder, settings, adapters::Purpose::kTraining));
  if (!plan.paths.init_adapter) {
    adapter.Initialize(static_cast<std::uint64_t>(plan.seed));
    return adapters::ToTrainable(adapter);
  }
  LATHE_ASSIGN_OR_RETURN(const auto theirs, adapters::ReadPeftSettings(*plan.paths.init_adapter));
  LATHE_RETURN_IF_ERROR(CheckScale(settings, theirs, *plan.paths.init_adapter));
  LATHE_RETURN_IF_ERROR(adapters::ReadPeftWeights(*plan.paths.init_adapter, adapter));
  return adapters::ToTrainable(adapter);
}

}  // namespace

Result<adapters::Trainable> StartTrainable(const plan::Plan& plan, model::Decoder& decoder) {
  return StartLora(plan, decoder);
}

}  // namespace lathe::trainer::loop
