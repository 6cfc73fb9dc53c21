#include "worker/trainer/plan/support.h"

#include <algorithm>

#include "worker/trainer/plan/parameter_table.h"

namespace lathe::trainer::plan {
namespace {

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

std::vector<std::string> UnmeasuredMetrics(const Configuration& configuration) {
  std::vector<std::string> told;
  const bool pairs = configuration.Text("objective.type") == "dpo";
  for (const std::string& metric : configuration.Tokens("evaluation.metrics")) {
    const bool of_tokens = metric == "perplexity" || metric == "token_accuracy";
    if (!of_tokens || !pairs) continue;  // Without pairs these two are always reported.
    told.push_back("evaluation.metrics: " + metric +
                   " is not measured of pairs; evaluations report loss and rewards");
  }
  return told;
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

/// Kernels are always fused and attention never writes more than a document's scores, so that
/// fused_kernels and flash_attention change nothing.
const std::vector<AcceptedTokens>& AcceptedByTrainer() {
  static const std::vector<AcceptedTokens> table = {
      {"method.type", {"lora", "qlora", "full", "prefix", "adapter"}},
      {"objective.type", {"sft", "dpo"}},
      {"model.precision", {"fp32", "bf16", "fp16"}},
      {"tokenizer.paddingSide", {"right"}},
      {"optimizations.enabled",
       {"gradient_checkpointing", "activation_offloading", "fused_kernels", "flash_attention",
        "sequence_packing", "dynamic_padding", kOptimizer8Bit, kPagedOptimizer}},
  };
  return table;
}

const std::vector<WithoutEffect>& SettingsWithoutEffect() {
  static const std::vector<WithoutEffect> table = {
      {"model.revision", "the base model is the one that lies on the node"},
      {"integrations.wandb.project", "the trainer writes its own event log only"},
      {"integrations.tensorboard.enabled", "the trainer writes its own event log only", true},
      {"integrations.huggingface.outputRepoName", "nothing is uploaded anywhere"},
      {"tokenizer.name", "the model's own tokenizer is used"},
      {"tokenizer.trustRemoteCode", "downloaded code is never executed", true},
      {"model.trustRemoteCode", "downloaded code is never executed", true},
      {"output.suffix", "the adapter stays with the job, under the job's id"},
      {"output.adapterName", "the adapter stays with the job, under the job's id"},
      {"output.adapterType", "the adapter stays with the job, under the job's id"},
  };
  return table;
}

void CheckSupport(const Configuration& configuration, std::vector<Finding>& findings) {
  for (const AcceptedTokens& row : AcceptedByTrainer()) {
    const bool is_set = FindParameter(row.path)->type == ParameterType::kSet;
    std::vector<std::string> given;
    if (is_set) {
      given = configuration.Tokens(row.path);
    } else if (const auto token = configuration.OptionalText(row.path)) {
      given = {*token};
    }
    for (const std::string& token : given) {
      if (!Contains(row.tokens, token)) {
        findings.push_back(Unsupported(row.path, token, row.tokens));
      }
    }
  }
  CheckOptimizerForms(configuration, findings);
}

std::vector<std::string> IgnoredSettings(const Configuration& configuration) {
  std::vector<std::string> ignored = UnmeasuredMetrics(configuration);
  for (const WithoutEffect& row : SettingsWithoutEffect()) {
    if (!configuration.IsGiven(row.path)) continue;
    if (row.only_if_true && !configuration.Flag(row.path)) continue;
    ignored.push_back(std::string(row.path) + " has no effect: " + row.why);
  }
  return ignored;
}

}  // namespace lathe::trainer::plan
