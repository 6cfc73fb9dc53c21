#include "worker/trainer/plan/support.h"

#include <algorithm>

namespace lathe::trainer::plan {
namespace {

struct Supported {
  const char* path;
  std::vector<std::string> values;
};

const std::vector<Supported>& SupportedTokens() {
  static const std::vector<Supported> table = {
      {"method.type", {"lora", "qlora", "full", "prefix", "adapter"}},
      {"objective.type", {"sft", "dpo"}},
      {"model.precision", {"fp32", "bf16", "fp16"}},
      {"tokenizer.paddingSide", {"right"}},
      {"datasets.format",
       {"auto", "messages", "prompt_completion", "instruction", "alpaca", "sharegpt", "preference",
        "text", "tokenized"}},
  };
  return table;
}

/// Kernels are always fused and attention never writes more than a document's scores, so that
/// fused_kernels and flash_attention change nothing.
const std::vector<std::string>& SupportedOptimizations() {
  static const std::vector<std::string> names = {
      "gradient_checkpointing", "activation_offloading", "fused_kernels", "flash_attention",
      "sequence_packing",       "dynamic_padding",       kOptimizer8Bit,  kPagedOptimizer};
  return names;
}

bool Contains(const std::vector<std::string>& values, const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

std::string Joined(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + value;
  return text;
}

Finding Unsupported(const std::string& path, const std::string& given,
                    const std::vector<std::string>& supported) {
  return {.path = "configuration." + path,
          .code = "unsupported",
          .message = given + " is not supported by this trainer; supported: " + Joined(supported),
          .given = "\"" + given + "\"",
          .expected = "one of " + Joined(supported)};
}

/// The memory-saving forms of an optimizer are AdamW's.
void CheckOptimizerForms(const Configuration& configuration, std::vector<Finding>& findings) {
  const std::string name = configuration.Text("optimizer.name");
  if (name.find("adamw") != std::string::npos) return;
  const auto enabled = configuration.Tokens("optimizations.enabled");
  for (const char* form : {kOptimizer8Bit, kPagedOptimizer}) {
    if (!Contains(enabled, form)) continue;
    findings.push_back({.path = "configuration.optimizations.enabled",
                        .code = "conflict",
                        .message = std::string(form) + " is a form of adamw; " + name +
                                   " keeps its state as it is",
                        .given = "\"" + std::string(form) + "\"",
                        .expected = "optimizer.name adamw, or without it"});
  }
}

}  // namespace

void CheckSupport(const Configuration& configuration, std::vector<Finding>& findings) {
  for (const Supported& row : SupportedTokens()) {
    const auto value = configuration.OptionalText(row.path);
    if (value && !Contains(row.values, *value)) {
      findings.push_back(Unsupported(row.path, *value, row.values));
    }
  }
  for (const std::string& name : configuration.Tokens("optimizations.enabled")) {
    if (Contains(SupportedOptimizations(), name)) continue;
    findings.push_back(Unsupported("optimizations.enabled", name, SupportedOptimizations()));
  }
  CheckOptimizerForms(configuration, findings);
}

std::vector<std::string> IgnoredSettings(const Configuration& configuration) {
  std::vector<std::string> ignored;
  const auto check = [&](const char* path, const std::string& why) {
    if (configuration.IsGiven(path))
      ignored.push_back(std::string(path) + " has no effect: " + why);
  };
  check("evaluation.metrics", "evaluations report the loss");
  check("integrations.wandb.project", "the trainer writes its own event log only");
  check("tokenizer.name", "the model's own tokenizer is used");
  if (configuration.Flag("integrations.tensorboard.enabled")) {
    check("integrations.tensorboard.enabled", "the trainer writes its own event log only");
  }
  if (configuration.Flag("model.trustRemoteCode")) {
    check("model.trustRemoteCode", "downloaded code is never executed");
  }
  return ignored;
}

}  // namespace lathe::trainer::plan
