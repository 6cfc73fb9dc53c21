#include "worker/trainer/commands/workload.h"

#include <algorithm>

namespace lathe::trainer::commands {
namespace {

/// Of examples of which `group` in a row count as one.
estimator::DataSummary SummaryOf(const std::vector<loop::Example>& examples, std::size_t group) {
  estimator::DataSummary summary;
  double tokens = 0;
  double targets = 0;
  for (const loop::Example& example : examples) {
    const auto length = static_cast<double>(example.tokens.size());
    tokens += length;
    targets += static_cast<double>(data::CountTargets(example));
    summary.longest_tokens = std::max(summary.longest_tokens, length);
  }
  summary.examples = static_cast<std::int64_t>(examples.size() / group);
  if (examples.empty()) return summary;
  summary.mean_tokens = tokens / static_cast<double>(examples.size());
  summary.target_share = tokens > 0 ? targets / tokens : 0;
  return summary;
}

estimator::Method MethodNamed(const std::string& name) {
  using enum estimator::Method;
  if (name == "full") return kFull;
  if (name == "qlora") return kQlora;
  if (name == "prefix") return kPrefix;
  return name == "adapter" ? kAdapter : kLora;
}

estimator::MethodSettings MethodSettingsOf(const plan::Plan& plan) {
  estimator::MethodSettings settings{
      .method = MethodNamed(plan.method),
      .rank = plan.lora.rank,
      .modules = plan.lora.modules,
      .dora = plan.lora.dora,
      .dropout = plan.lora.dropout,
      .prefix_length = plan.prefix.length,
      .adapter_size = plan.bottleneck.size,
      .adapters_per_layer = plan.bottleneck.variant == "houlsby" ? 2 : 1};
  if (plan.quantization) {
    settings.quantization_bits = plan.quantization->bits;
    settings.double_quantization = plan.quantization->double_quant;
  }
  return settings;
}

estimator::OptimizerState StateOf(const std::string& name) {
  using enum estimator::OptimizerState;
  if (name == "adamw_8bit" || name == "paged_adamw_8bit") return kEightBit;
  if (name == "sgd") return kNone;
  if (name == "lion") return kOneMoment;
  if (name == "adafactor") return kFactored;
  return kTwoMoments;
}

}  // namespace

estimator::Workload WorkloadOf(const plan::Plan& plan, const loop::Dataset& data) {
  estimator::Workload workload;
  workload.method = MethodSettingsOf(plan);
  workload.optimizer = StateOf(plan.optimizer.name);
  workload.paged_optimizer = plan.optimizer.paged;
  workload.bytes_per_value = plan.precision == "fp32" ? 4 : 2;
  workload.batch_size = plan.schedule.batch_size;
  workload.gradient_accumulation = plan.schedule.gradient_accumulation;
  workload.sequence_length = plan.data.sequence_length;
  workload.epochs = static_cast<double>(plan.schedule.epochs);
  workload.max_steps = plan.schedule.max_steps;
  workload.gradient_checkpointing = plan.gradient_checkpointing;
  workload.packing = plan.sequence_packing;
  workload.preference = plan.objective.type == "dpo";
  workload.data = SummaryOf(data.train, data.group);
  workload.evaluation = SummaryOf(data.validation, data.group);
  workload.evaluations = data.validation.empty() ? 0 : plan.schedule.evaluations;
  return workload;
}

}  // namespace lathe::trainer::commands
