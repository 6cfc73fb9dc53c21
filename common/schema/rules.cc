#include <algorithm>
#include <set>

#include "common/schema/reflection_internal.h"
#include "common/schema/rules_internal.h"

namespace lathe::schema {
namespace {

using Findings = std::vector<Finding>;

struct Text {
  std::string message;
  std::string given;
  std::string expected;
};

void Add(Findings& findings, Severity severity, const char* path, const char* code, Text text) {
  findings.push_back({path, severity, code, std::move(text.message), std::move(text.given),
                      std::move(text.expected)});
}

void AddError(Findings& findings, const char* path, const char* code, Text text) {
  Add(findings, Severity::kError, path, code, std::move(text));
}

void AddWarning(Findings& findings, const char* path, const char* code, Text text) {
  Add(findings, Severity::kWarning, path, code, std::move(text));
}

template <class Enum>
std::string Token(Enum value) {
  return "\"" + TokenOf(*google::protobuf::GetEnumDescriptor<Enum>(), value) + "\"";
}

bool HasValidationData(const v1::JobConfiguration& resolved) {
  return !resolved.datasets().validation_file_id().empty() || resolved.datasets().train_split() < 1;
}

bool HasEvaluations(const v1::JobConfiguration& resolved) {
  return resolved.schedule().evaluations() > 0 || resolved.schedule().has_eval_steps() ||
         resolved.evaluation().has_eval_steps();
}

void Devices(const RuleInput& in, Findings& findings) {
  const auto& hardware = in.given.hardware();
  const v1::Precision precision = in.given.model().precision();
  if (hardware.device() != v1::DEVICE_CHOICE_CPU) {
    if (hardware.device() == v1::DEVICE_CHOICE_CUDA && precision == v1::PRECISION_FP32) {
      AddWarning(findings, "model.precision", "much_memory",
                 {"fp32 on a GPU needs twice the memory of bf16", Token(precision), "\"bf16\""});
    }
    if (precision == v1::PRECISION_FP16) {
      AddWarning(findings, "model.precision", "small_range",
                 {"fp16 may overflow; where the GPU has bf16, that is the better choice",
                  Token(precision), "\"bf16\""});
    }
  }
  const v1::DeviceChoice map = in.given.model().device_map();
  const bool opposite =
      (map == v1::DEVICE_CHOICE_CUDA && hardware.device() == v1::DEVICE_CHOICE_CPU) ||
      (map == v1::DEVICE_CHOICE_CPU && hardware.device() == v1::DEVICE_CHOICE_CUDA);
  if (opposite) {
    AddError(findings, "model.deviceMap", "contradiction",
             {"the model would not be on the device that trains it (hardware.device)", Token(map),
              "\"auto\" or " + Token(hardware.device())});
  }
}

void CpuIgnoresGpuWishes(const RuleInput& in, Findings& findings) {
  const auto& hardware = in.given.hardware();
  if (hardware.device() != v1::DEVICE_CHOICE_CPU) {
    return;
  }
  for (const auto& [set, path] :
       {std::pair{hardware.has_gpu_type(), "hardware.gpuType"},
        std::pair{hardware.has_num_gpus(), "hardware.numGPUs"},
        std::pair{hardware.has_min_memory_gib(), "hardware.minMemoryGiB"}}) {
    if (set) {
      AddWarning(
          findings, path, "no_effect",
          {"has no effect with hardware.device cpu", "", "nothing, or hardware.device cuda"});
    }
  }
}

void FullNeedsFloats(const RuleInput& in, Findings& findings) {
  const v1::Precision precision = in.resolved.model().precision();
  if (in.resolved.method().type() == v1::METHOD_TYPE_FULL &&
      (precision == v1::PRECISION_INT8 || precision == v1::PRECISION_INT4)) {
    AddError(findings, "model.precision", "contradiction",
             {"integer weights cannot be trained, and method full trains all weights",
              Token(precision), "\"bf16\" or \"fp32\", or method.type qlora"});
  }
}

void FourBitFormats(const RuleInput& in, Findings& findings) {
  const auto& method = in.given.method();
  if (method.type() == v1::METHOD_TYPE_QLORA && method.quantization_bits() == 8 &&
      method.has_quant_type()) {
    AddWarning(findings, "method.quantType", "no_effect",
               {"has no effect with 8 bits", Token(method.quant_type()),
                "nothing, or method.quantizationBits 4"});
  }
}

void TargetModules(const RuleInput& in, Findings& findings) {
  if (!in.given.method().lora_config().has_trainable_modules()) {
    return;
  }
  const std::string& modules = in.given.method().lora_config().trainable_modules();
  bool hole = true;
  for (const char c : modules) {
    if (c == ',' && hole) {
      break;
    }
    hole = c == ',' || (hole && c == ' ');
  }
  if (hole) {
    AddError(findings, "method.loraConfig.trainableModules", "empty",
             {"names no module, or an empty one", "\"" + modules + "\"",
              "all-linear, or names with commas: q_proj,v_proj"});
  }
}

bool IsSupervisedFormat(v1::DatasetFormat format) {
  return format != v1::DATASET_FORMAT_UNSPECIFIED && format != v1::DATASET_FORMAT_AUTO &&
         format != v1::DATASET_FORMAT_PREFERENCE;
}

void ObjectiveFitsData(const RuleInput& in, Findings& findings) {
  const auto& data = in.given.datasets();
  const v1::ObjectiveType objective = in.resolved.objective().type();
  if (objective == v1::OBJECTIVE_TYPE_DPO) {
    if (data.type() == v1::DATASET_TYPE_SUPERVISED) {
      AddError(findings, "datasets.type", "contradiction",
               {"dpo compares a chosen answer with a rejected one", Token(data.type()),
                "\"preference\", or objective.type sft"});
    }
    if (IsSupervisedFormat(data.format())) {
      AddError(findings, "datasets.format", "contradiction",
               {"dpo learns from pairs, which this format does not hold", Token(data.format()),
                "\"preference\" or \"auto\""});
    }
    return;
  }
  if (data.type() == v1::DATASET_TYPE_PREFERENCE) {
    AddError(findings, "datasets.type", "contradiction",
             {"pairs are for dpo", Token(data.type()), "\"supervised\", or objective.type dpo"});
  }
  if (data.format() == v1::DATASET_FORMAT_PREFERENCE) {
    AddError(findings, "datasets.format", "contradiction",
             {"pairs are for dpo", Token(data.format()), "another format, or objective.type dpo"});
  }
}

/// IPO has no sigmoid that could be smoothed (arXiv 2310.12036, equation 17).
void Smoothing(const RuleInput& in, Findings& findings) {
  const auto& dpo = in.resolved.objective().dpo();
  if (in.resolved.objective().type() == v1::OBJECTIVE_TYPE_DPO &&
      dpo.loss_type() == v1::DPO_LOSS_TYPE_IPO && dpo.label_smoothing() > 0) {
    AddError(findings, "objective.dpo.labelSmoothing", "contradiction",
             {"is part of the sigmoid loss only", JsonNumber(dpo.label_smoothing()),
              "0, or objective.dpo.lossType sigmoid"});
  }
}

/// 8-bit moments and moments in host memory are forms of AdamW.
void OptimizerForms(const RuleInput& in, Findings& findings) {
  const v1::OptimizerName name = in.resolved.optimizer().name();
  if (name == v1::OPTIMIZER_NAME_ADAMW || name == v1::OPTIMIZER_NAME_ADAMW_8BIT ||
      name == v1::OPTIMIZER_NAME_PAGED_ADAMW_8BIT) {
    return;
  }
  for (const int enabled : in.given.optimizations().enabled()) {
    const auto form = static_cast<v1::Optimization>(enabled);
    if (form == v1::OPTIMIZATION_OPTIMIZER_8BIT || form == v1::OPTIMIZATION_PAGED_OPTIMIZER) {
      AddError(findings, "optimizations.enabled", "contradiction",
               {"is a form of adamw, and optimizer.name is " + Token(name), Token(form),
                "optimizer.name adamw, or without it"});
    }
  }
}

void Rewards(const RuleInput& in, Findings& findings) {
  if (in.resolved.objective().type() != v1::OBJECTIVE_TYPE_RLHF) {
    return;
  }
  const auto& rlhf = in.given.objective().rlhf();
  if (rlhf.reward_functions_size() == 0) {
    AddError(findings, "objective.rlhf.rewardFunctions", "required",
             {"without a reward there is nothing to learn from", "",
              "one of tool_accuracy, format, length, exact_match"});
  }
  if (rlhf.sampling().has_temperature() && rlhf.sampling().temperature() == 0) {
    AddWarning(findings, "objective.rlhf.sampling.temperature", "unusual_value",
               {"all answers of a group will be the same, and nothing is learned", "0", "near 1"});
  }
}

void Split(const RuleInput& in, Findings& findings) {
  const auto& data = in.given.datasets();
  if (data.has_train_split() && data.train_split() == 0) {
    Add(findings, data.validation_file_id().empty() ? Severity::kError : Severity::kWarning,
        "datasets.trainSplit", "unusual_value",
        {"no sample is left to learn from", "0", "0.9 to 0.99"});
  }
  if (!data.validation_file_id().empty() && data.has_train_split() && data.train_split() < 1) {
    AddWarning(findings, "datasets.trainSplit", "unusual_value",
               {"there is validation data, so what is held out is not used at all",
                JsonNumber(data.train_split()), "1"});
  }
  if (!data.validation_file_id().empty() && data.validation_file_id() == data.training_file_id()) {
    AddWarning(findings, "datasets.validationFileId", "same_data",
               {"the same data as for training: overfitting will not show", "", "other samples"});
  }
}

void Evaluations(const RuleInput& in, Findings& findings) {
  const auto& schedule = in.given.schedule();
  const bool evaluates = HasEvaluations(in.resolved);
  const bool has_data = HasValidationData(in.resolved);
  if (evaluates && !has_data) {
    AddWarning(findings, "schedule.evaluations", "no_validation_data",
               {"there is no validation data, so nothing is evaluated", "",
                "datasets.validationFileId, datasets.trainSplit below 1, or 0 evaluations"});
  }
  if (schedule.has_early_stopping_patience() && !(evaluates && has_data)) {
    AddWarning(findings, "schedule.earlyStoppingPatience", "no_evaluations",
               {"without evaluations training never stops early",
                std::to_string(schedule.early_stopping_patience()), "evaluations, or nothing"});
  }
  if (schedule.has_early_stopping_threshold() && !schedule.has_early_stopping_patience()) {
    AddWarning(findings, "schedule.earlyStoppingThreshold", "no_effect",
               {"has no effect without schedule.earlyStoppingPatience", "",
                "schedule.earlyStoppingPatience as well"});
  }
  if (in.given.evaluation().metrics_size() > 0 && !has_data) {
    AddWarning(findings, "evaluation.metrics", "no_validation_data",
               {"there is no validation data to measure on", "",
                "datasets.validationFileId or datasets.trainSplit below 1"});
  }
}

void Warmup(const RuleInput& in, Findings& findings) {
  const auto& scheduler = in.given.optimizer().scheduler();
  if (scheduler.has_warmup_ratio() && scheduler.has_warmup_steps()) {
    AddError(findings, "optimizer.scheduler.warmupSteps", "exclusive",
             {"warmupRatio is given as well, and both say the same thing",
              std::to_string(scheduler.warmup_steps()), "one of the two"});
  }
  const auto& schedule = in.given.schedule();
  if (schedule.has_max_steps() && scheduler.has_warmup_steps() &&
      scheduler.warmup_steps() >= schedule.max_steps()) {
    AddWarning(findings, "optimizer.scheduler.warmupSteps", "long_warmup",
               {"the warm-up is as long as the run", std::to_string(scheduler.warmup_steps()),
                "far fewer than schedule.maxSteps"});
  }
  if (scheduler.warmup_ratio() == 1) {
    AddWarning(findings, "optimizer.scheduler.warmupRatio", "long_warmup",
               {"the warm-up is as long as the run", "1", "0.03 to 0.1"});
  }
}

void Addresses(const RuleInput& in, Findings& findings) {
  const auto& url = in.given.integrations().wandb().base_url();
  if (!url.empty() && url.rfind("https://", 0) != 0 && url.rfind("http://", 0) != 0) {
    AddError(findings, "integrations.wandb.baseUrl", "bad_address",
             {"not a web address", "", "an address that begins with https://"});
  }
  const auto& folder = in.given.integrations().tensorboard().log_dir();
  const bool leaves = ("/" + folder + "/").find("/../") != std::string::npos;
  if (!folder.empty() && (folder[0] == '/' || leaves || folder.find('\0') != std::string::npos)) {
    AddError(findings, "integrations.tensorboard.logDir", "bad_path",
             {"leaves the job's output", "", "a relative path without `..`: logs"});
  }
}

void Tools(const RuleInput& in, Findings& findings) {
  std::set<std::string> names;
  for (int i = 0; i < in.given.tools_size(); ++i) {
    const auto& tool = in.given.tools(i);
    const std::string path = "tools[" + std::to_string(i) + "]";
    const std::string& name = tool.name().empty() ? tool.function().name() : tool.name();
    if (name.empty()) {
      AddError(findings, (path + ".name").c_str(), "required",
               {"must be given, here or in function", "", "a name"});
    } else if (!names.insert(name).second) {
      AddError(findings, (path + ".name").c_str(), "duplicate_value",
               {"another tool has this name", "", "a name of its own"});
    }
    if (tool.has_parameters() && tool.function().has_parameters()) {
      AddError(findings, (path + ".parameters").c_str(), "exclusive",
               {"given here and in function", "", "one of the two"});
    }
  }
}

}  // namespace

void CheckRules(const RuleInput& input, std::vector<Finding>& findings) {
  for (const auto rule : {Devices, CpuIgnoresGpuWishes, FullNeedsFloats, FourBitFormats,
                          TargetModules, ObjectiveFitsData, Smoothing, OptimizerForms, Rewards,
                          Split, Evaluations, Warmup, Addresses, Tools}) {
    rule(input, findings);
  }
}

}  // namespace lathe::schema
