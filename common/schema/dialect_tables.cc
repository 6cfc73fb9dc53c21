#include "common/schema/dialect_tables_internal.h"

#include <string>
#include <unordered_map>

namespace lathe::schema {
namespace {

using enum Conversion;

constexpr TokenPair kDtypes[] = {{"float16", "fp16"}, {"float32", "fp32"}, {"bfloat16", "bf16"}};
constexpr TokenPair kFp16[] = {{"", "fp16"}};
constexpr TokenPair kBf16[] = {{"", "bf16"}};

/// The names of Hugging Face transformers' `OptimizerNames`. Those that differ only in who computes
/// them (torch, fused, ...) are the same rule; what differs in more is the nearest.
constexpr TokenPair kOptimizers[] = {
    {"adamw_torch", "adamw"},
    {"adamw", "adamw"},
    {"adamw_hf", "adamw"},
    {"adamw_torch_fused", "adamw"},
    {"adamw_apex_fused", "adamw"},
    {"paged_adamw_8bit", "paged_adamw_8bit"},
    {"adamw_8bit", "adamw_8bit"},
    {"adamw_bnb_8bit", "adamw_8bit"},
    {"adafactor", "adafactor"},
    {"sgd", "sgd"},
    {"lion_32bit", "lion"},
    {"lion", "lion"},
    {"paged_adamw_32bit", "adamw", false},
    {"paged_adamw", "adamw", false},
    {"lion_8bit", "lion", false},
    {"paged_lion_8bit", "lion", false},
    {"paged_lion_32bit", "lion", false},
};

constexpr Row kLegacy[] = {
    {"n_epochs", "schedule.epochs", kSameOrAuto},
    {"batch_size", "schedule.batchSize", kSameOrAuto},
    {"learning_rate_multiplier", "optimizer.learningRate", kMultiplier},
    {"method", "method.type"},
    {"lora_rank", "method.loraConfig.rank"},
    {"lora_alpha", "method.loraConfig.alpha"},
    {"lora_dropout", "method.loraConfig.dropout", kSame, {}, "0.1"},
    {"lora_target_modules", "method.loraConfig.trainableModules", kModules},
    {"quantization_bits", "method.quantizationBits"},
    {"prefix_length", "method.prefixLength"},
    {"adapter_size", "method.adapterSize"},
};

constexpr Row kSectionedRows[] = {
    {"model.name", "model.baseModel", kSame, {}, {}, true},
    {"model.trust_remote_code", "model.trustRemoteCode"},
    {"model.torch_dtype", "model.precision", kTokens, kDtypes},
    {"model.device_map", "model.deviceMap"},
    {"tokenizer.name", "tokenizer.name"},
    {"tokenizer.trust_remote_code", "tokenizer.trustRemoteCode"},
    {"tokenizer.padding_side", "tokenizer.paddingSide"},
    {"training.method", "objective.type"},
    {"training.num_epochs", "schedule.epochs"},
    {"training.learning_rate", "optimizer.learningRate"},
    {"training.batch_size", "schedule.batchSize"},
    {"training.gradient_accumulation_steps", "schedule.gradientAccumulation"},
    {"training.warmup_steps", "optimizer.scheduler.warmupSteps"},
    {"training.max_length", "schedule.sequenceLength"},
    {"training.use_lora", "method.type", kUseLora},
    {"training.lora_r", "method.loraConfig.rank"},
    {"training.lora_alpha", "method.loraConfig.alpha"},
    {"training.lora_dropout", "method.loraConfig.dropout"},
    {"training.max_grad_norm", "optimizer.maxGradientNorm"},
    {"training.bf16", "model.precision", kPrecisionFlag, kBf16},
    {"training.fp16", "model.precision", kPrecisionFlag, kFp16},
    {"training.adam_beta1", "optimizer.beta1"},
    {"training.adam_beta2", "optimizer.beta2"},
    {"training.adam_epsilon", "optimizer.epsilon"},
    {"training.weight_decay", "optimizer.weightDecay"},
    {"training.optim", "optimizer.name", kTokens, kOptimizers},
    {"data.strategy", "datasets.strategy", kStrategy},
    {"data.generation_type", "datasets.generationType"},
    {"data.max_samples", "datasets.maxSamples"},
    {"data.train_split", "datasets.trainSplit"},
    {"tools", "tools"},
    {"evaluation.metrics", "evaluation.metrics"},
    {"evaluation.eval_steps", "evaluation.evalSteps"},
    {"tensorboard.enabled", "integrations.tensorboard.enabled"},
    {"tensorboard.log_dir", "integrations.tensorboard.logDir"},
    {"seed", "seed"},
};

constexpr Row kTrainingConfig[] = {
    {"base_model", "model.baseModel"},
    {"dataset_type", "datasets.type", kDatasetType},
    {"lora_r", "method.loraConfig.rank"},
    {"lora_alpha", "method.loraConfig.alpha"},
    {"lora_dropout", "method.loraConfig.dropout"},
    {"lora_target_modules", "method.loraConfig.trainableModules", kModules},
    {"num_epochs", "schedule.epochs"},
    {"batch_size", "schedule.batchSize"},
    {"learning_rate", "optimizer.learningRate"},
    {"gradient_accumulation_steps", "schedule.gradientAccumulation"},
    {"warmup_steps", "optimizer.scheduler.warmupSteps"},
    {"weight_decay", "optimizer.weightDecay"},
    {"max_grad_norm", "optimizer.maxGradientNorm"},
    {"dpo_beta", "objective.dpo.beta"},
    {"fp16", "model.precision", kPrecisionFlag, kFp16},
    {"device", "hardware.device", kDevice},
    {"save_steps", "schedule.saveSteps"},
    {"save_total_limit", "schedule.saveTotalLimit"},
    {"eval_steps", "schedule.evalSteps"},
    {"early_stopping_patience", "schedule.earlyStoppingPatience"},
    {"early_stopping_threshold", "schedule.earlyStoppingThreshold"},
    {"final_loss", "metadata", kOutput},
};

constexpr Row kSimpleRows[] = {
    {"rank", "method.loraConfig.rank"},  {"alpha", "method.loraConfig.alpha"},
    {"epochs", "schedule.epochs"},       {"learningRate", "optimizer.learningRate"},
    {"batchSize", "schedule.batchSize"},
};

using Index = std::unordered_map<std::string_view, const Row*>;

Index MakeIndex(Dialect dialect) {
  Index index;
  for (const Row& row : RowsOf(dialect)) {
    index.emplace(row.key, &row);
  }
  return index;
}

}  // namespace

std::span<const Row> RowsOf(Dialect dialect) {
  switch (dialect) {
    case Dialect::kUniversal:
      return {};
    case Dialect::kLegacyHyperparameters:
      return kLegacy;
    case Dialect::kSectioned:
      return kSectionedRows;
    case Dialect::kAdapterTrainingConfig:
      return kTrainingConfig;
    case Dialect::kSimple:
      return kSimpleRows;
  }
  return {};
}

const Row* FindRow(Dialect dialect, std::string_view key) {
  static const std::array<Index, std::size(kDialects)> indexes = [] {
    std::array<Index, std::size(kDialects)> all;
    for (const Dialect each : kDialects) {
      all[static_cast<std::size_t>(each)] = MakeIndex(each);
    }
    return all;
  }();
  const Index& index = indexes[static_cast<std::size_t>(dialect)];
  const auto found = index.find(key);
  return found == index.end() ? nullptr : found->second;
}

}  // namespace lathe::schema
