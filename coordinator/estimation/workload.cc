#include <algorithm>
#include <cmath>

#include "coordinator/estimation/estimation.h"

namespace lathe::estimation {
namespace {

/// English with the vocabularies of today, where the model's own has not been tried.
constexpr double kBytesPerToken = 4.2;
/// What a chat template puts around a message: two marks, the speaker, two ends of lines (ChatML).
constexpr double kTokensPerMessage = 5;
/// Of a conversation, about half is the assistant's.
constexpr double kAssistantShare = 0.5;

estimator::Method MethodOf(v1::MethodType type) {
  switch (type) {
    case v1::METHOD_TYPE_FULL:
      return estimator::Method::kFull;
    case v1::METHOD_TYPE_QLORA:
      return estimator::Method::kQlora;
    case v1::METHOD_TYPE_PREFIX:
      return estimator::Method::kPrefix;
    case v1::METHOD_TYPE_ADAPTER:
      return estimator::Method::kAdapter;
    default:
      return estimator::Method::kLora;
  }
}

std::vector<std::string> Modules(const std::string& text) {
  std::vector<std::string> modules;
  if (text.empty() || text == "all-linear") return modules;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string name = text.substr(begin, end - begin);
    name.erase(0, name.find_first_not_of(' '));
    name.erase(name.find_last_not_of(' ') + 1);
    if (!name.empty()) modules.push_back(std::move(name));
    begin = end + 1;
  }
  return modules;
}

estimator::MethodSettings MethodSettingsOf(const v1::MethodConfiguration& method) {
  return {.method = MethodOf(method.type()),
          .rank = method.lora_config().rank(),
          .modules = Modules(method.lora_config().trainable_modules()),
          .dora = method.lora_config().use_dora(),
          .dropout = method.lora_config().dropout(),
          .quantization_bits = method.quantization_bits(),
          .double_quantization = method.double_quant(),
          .prefix_length = method.prefix_length(),
          .adapter_size = method.adapter_size(),
          .adapters_per_layer = method.adapter_variant() == v1::ADAPTER_VARIANT_HOULSBY ? 2 : 1};
}

bool Has(const v1::JobConfiguration& configuration, v1::Optimization optimization) {
  const auto& enabled = configuration.optimizations().enabled();
  return std::find(enabled.begin(), enabled.end(), optimization) != enabled.end();
}

estimator::OptimizerState StateOf(const v1::JobConfiguration& configuration) {
  using enum estimator::OptimizerState;
  if (Has(configuration, v1::OPTIMIZATION_OPTIMIZER_8BIT)) return kEightBit;
  switch (configuration.optimizer().name()) {
    case v1::OPTIMIZER_NAME_ADAMW_8BIT:
    case v1::OPTIMIZER_NAME_PAGED_ADAMW_8BIT:
      return kEightBit;
    case v1::OPTIMIZER_NAME_SGD:
      return kNone;
    case v1::OPTIMIZER_NAME_ADAFACTOR:
      return kFactored;
    case v1::OPTIMIZER_NAME_LION:
      return kOneMoment;
    default:
      return kTwoMoments;
  }
}

estimator::DataSummary SummaryOf(const DataSample& sample, double share,
                                 const v1::ScheduleConfiguration& schedule,
                                 double bytes_per_token) {
  const auto limit = static_cast<double>(schedule.sequence_length());
  const double template_tokens = sample.mean_messages * kTokensPerMessage;
  const auto tokens = [&](double bytes, double counted) {
    const double length =
        sample.mean_tokens
            ? counted
            : bytes / (bytes_per_token > 0 ? bytes_per_token : kBytesPerToken) + template_tokens;
    return std::min(limit, std::max(1.0, length));
  };
  const double answers = sample.answer_share > 0 ? sample.answer_share : kAssistantShare;
  const bool learns_all =
      schedule.train_on_inputs() == v1::TRAIN_ON_INPUTS_ENABLED || sample.mean_tokens.has_value();
  return {.examples = static_cast<std::int64_t>(std::llround(sample.examples * share)),
          .mean_tokens = tokens(sample.mean_bytes, sample.mean_tokens.value_or(0)),
          .longest_tokens = tokens(sample.longest_bytes, sample.longest_tokens),
          .target_share = learns_all ? 1 : answers,
          .is_estimated = !sample.mean_tokens.has_value()};
}

}  // namespace

estimator::Workload WorkloadOf(const v1::JobConfiguration& resolved, const DataSample& training,
                               const std::optional<DataSample>& validation,
                               double bytes_per_token) {
  const auto& schedule = resolved.schedule();
  estimator::Workload workload;
  workload.method = MethodSettingsOf(resolved.method());
  workload.optimizer = StateOf(resolved);
  workload.paged_optimizer = Has(resolved, v1::OPTIMIZATION_PAGED_OPTIMIZER) ||
                             resolved.optimizer().name() == v1::OPTIMIZER_NAME_PAGED_ADAMW_8BIT;
  workload.bytes_per_value = resolved.model().precision() == v1::PRECISION_FP32 ? 4 : 2;
  workload.batch_size = schedule.batch_size();
  workload.gradient_accumulation = schedule.gradient_accumulation();
  workload.sequence_length = schedule.sequence_length();
  workload.epochs = schedule.epochs();
  if (schedule.has_max_steps()) workload.max_steps = schedule.max_steps();
  workload.gradient_checkpointing = Has(resolved, v1::OPTIMIZATION_GRADIENT_CHECKPOINTING);
  workload.packing = Has(resolved, v1::OPTIMIZATION_SEQUENCE_PACKING);
  workload.preference = resolved.objective().type() == v1::OBJECTIVE_TYPE_DPO;
  DataSample limited = training;
  const auto& datasets = resolved.datasets();
  if (datasets.has_max_samples()) {
    limited.examples = std::min(limited.examples, static_cast<double>(datasets.max_samples()));
  }
  const double share = datasets.has_train_split() ? datasets.train_split() : 1;
  workload.data = SummaryOf(limited, share, schedule, bytes_per_token);
  if (validation) workload.evaluation = SummaryOf(*validation, 1, schedule, bytes_per_token);
  if (!validation && share < 1)
    workload.evaluation = SummaryOf(limited, 1 - share, schedule, bytes_per_token);
  workload.evaluations = workload.evaluation.examples > 0 ? schedule.evaluations() : 0;
  return workload;
}

}  // namespace lathe::estimation
