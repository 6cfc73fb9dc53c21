#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "worker/trainer/plan/configuration.h"
#include "worker/trainer/plan/plan.h"
#include "worker/trainer/plan/support.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::plan {
namespace {

using Json = nlohmann::json;

/// Reads the plan file's own keys; the configuration within has its own checks.
class EnvelopeReader {
 public:
  explicit EnvelopeReader(std::vector<Finding>& findings) : findings_(findings) {}

  void CheckKeys(const Json& object, const std::string& prefix,
                 const std::vector<std::string>& known) {
    for (const auto& item : object.items()) {
      if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
      Find(prefix + item.key(), "unknown_key", "there is no such key", item.value().dump(), "");
    }
  }
  std::int64_t Integer(const Json& object, const std::string& path, const char* key) {
    const Json value = object.value(key, Json());
    if (value.is_number_integer()) return value.get<std::int64_t>();
    Find(path + key, "wrong_value", "is not a whole number", value.dump(), "a whole number");
    return 0;
  }
  std::string Text(const Json& object, const std::string& path, const char* key) {
    const Json value = object.value(key, Json());
    if (value.is_string() && !value.get<std::string>().empty()) return value.get<std::string>();
    Find(path + key, "required", "is missing or not text", value.dump(), "text");
    return "";
  }
  std::optional<std::filesystem::path> OptionalPath(const Json& object, const char* key) {
    if (object.value(key, Json()).is_null()) return std::nullopt;
    return Text(object, "paths.", key);
  }
  Json Object(const Json& object, const char* key) {
    Json value = object.value(key, Json());
    if (value.is_object()) return value;
    Find(key, "required", "is missing or not an object", value.dump(), "an object");
    return Json::object();
  }
  void Find(const std::string& path, std::string code, std::string message, std::string given,
            std::string expected) {
    findings_.push_back({.path = path,
                         .code = std::move(code),
                         .message = std::move(message),
                         .given = std::move(given),
                         .expected = std::move(expected)});
  }

 private:
  std::vector<Finding>& findings_;
};

Paths ReadPaths(const Json& plan, EnvelopeReader& reader) {
  const Json object = reader.Object(plan, "paths");
  reader.CheckKeys(object, "paths.", {"baseModel", "train", "validation", "output", "initAdapter"});
  return {.base_model = reader.Text(object, "paths.", "baseModel"),
          .train = reader.Text(object, "paths.", "train"),
          .validation = reader.OptionalPath(object, "validation"),
          .output = reader.Text(object, "paths.", "output"),
          .init_adapter = reader.OptionalPath(object, "initAdapter")};
}

void ReadDistributed(const Json& json, EnvelopeReader& reader, Plan& plan) {
  if (json.value("distributed", Json()).is_null()) return;
  const Json object = reader.Object(json, "distributed");
  reader.CheckKeys(object, "distributed.", {"worldSize", "baseWeights"});
  if (object.contains("worldSize")) {
    plan.world_size = reader.Integer(object, "distributed.", "worldSize");
    if (*plan.world_size < 1) {
      reader.Find("distributed.worldSize", "wrong_value", "is not a number of processes",
                  std::to_string(*plan.world_size), "1 or more");
    }
  }
  if (!object.contains("baseWeights")) return;
  plan.base_weights = reader.Text(object, "distributed.", "baseWeights");
  for (const char* known : {"auto", "replicated", "sharded"}) {
    if (plan.base_weights == known) return;
  }
  reader.Find("distributed.baseWeights", "wrong_value", "is none of those that there are",
              plan.base_weights, "auto, replicated or sharded");
}

/// A tool is described in itself or, as other programs do it, in its `function`.
std::string ReadTools(const Configuration& c, std::vector<Finding>& findings) {
  const Json* tools = c.Find("tools");
  if (tools == nullptr || !tools->is_array() || tools->empty()) return "";
  auto list = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < tools->size(); ++i) {
    const Json& tool = (*tools)[i];
    if (!tool.is_object()) {
      findings.push_back({.path = "configuration.tools[" + std::to_string(i) + "]",
                          .code = "wrong_type",
                          .message = "is not an object",
                          .given = tool.dump(),
                          .expected = "an object with name, description and parameters"});
      continue;
    }
    const Json inner = tool.value("function", Json::object());
    nlohmann::ordered_json function;
    for (const char* key : {"name", "description", "parameters"}) {
      const Json& from = inner.contains(key) ? inner : tool;
      if (const auto value = from.find(key); value != from.end()) function[key] = *value;
    }
    list.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
  return list.dump();
}

DataPlan ReadData(const Configuration& c, bool has_validation_file,
                  std::vector<Finding>& findings) {
  DataPlan data{.format = c.Text("datasets.format"),
                .train_on_inputs = c.Text("schedule.trainOnInputs"),
                .chat_template = c.OptionalText("tokenizer.chatTemplate"),
                .tools = ReadTools(c, findings),
                .max_samples = c.OptionalInteger("datasets.maxSamples"),
                .train_split = c.Number("datasets.trainSplit"),
                .shuffle = c.Flag("datasets.shuffle"),
                .seed = c.OptionalInteger("datasets.seed").value_or(c.Integer("seed")),
                .sequence_length = c.Integer("schedule.sequenceLength"),
                .long_rows = c.Text("datasets.longRows")};
  const bool no_evaluations =
      c.IsGiven("schedule.evaluations") && c.Integer("schedule.evaluations") == 0;
  if (!c.IsGiven("datasets.trainSplit") && (has_validation_file || no_evaluations)) {
    data.train_split = 1;
  }
  return data;
}

std::vector<std::string> ReadModules(const std::string& text) {
  std::vector<std::string> modules;
  if (text == "all-linear") return modules;
  std::istringstream stream(text);
  for (std::string name; std::getline(stream, name, ',');) {
    const std::size_t begin = name.find_first_not_of(" \t");
    if (begin == std::string::npos) continue;
    modules.push_back(name.substr(begin, name.find_last_not_of(" \t") - begin + 1));
  }
  return modules;
}

LoraPlan ReadLora(const Configuration& c) {
  const std::string base = "method.loraConfig.";
  LoraPlan lora{.rank = c.Integer(base + "rank"),
                .alpha = c.Number(base + "alpha"),
                .dropout = c.Number(base + "dropout"),
                .modules = ReadModules(c.Text(base + "trainableModules")),
                .rslora = c.Flag(base + "useRslora"),
                .dora = c.Flag(base + "useDora"),
                .bias = c.Text(base + "bias"),
                .rank_pattern = {},
                .alpha_pattern = {}};
  if (const Json* ranks = c.Find(base + "rankPattern")) {
    lora.rank_pattern = ranks->get<std::map<std::string, std::int64_t>>();
  }
  if (const Json* alphas = c.Find(base + "alphaPattern")) {
    lora.alpha_pattern = alphas->get<std::map<std::string, double>>();
  }
  return lora;
}

std::optional<QuantizationPlan> ReadQuantization(const Configuration& c) {
  if (c.Text("method.type") != "qlora") return std::nullopt;
  return QuantizationPlan{.bits = c.Integer("method.quantizationBits"),
                          .type = c.Text("method.quantType"),
                          .double_quant = c.Flag("method.doubleQuant")};
}

PrefixPlan ReadPrefix(const Configuration& c) {
  return {.length = c.Integer("method.prefixLength"),
          .projection = c.Flag("method.prefixProjection"),
          .projection_size = c.OptionalInteger("method.prefixHiddenSize")};
}

ObjectivePlan ReadObjective(const Configuration& c) {
  return {.type = c.Text("objective.type"),
          .loss = c.Text("objective.dpo.lossType"),
          .beta = c.Number("objective.dpo.beta"),
          .label_smoothing = c.Number("objective.dpo.labelSmoothing"),
          .reference_free = c.Flag("objective.dpo.referenceFree")};
}

SchedulePlan ReadSchedule(const Configuration& c) {
  SchedulePlan schedule{
      .epochs = c.Integer("schedule.epochs"),
      .max_steps = c.OptionalInteger("schedule.maxSteps"),
      .batch_size = c.Integer("schedule.batchSize"),
      .gradient_accumulation = c.Integer("schedule.gradientAccumulation"),
      .checkpoints = c.Integer("schedule.checkpoints"),
      .evaluations = c.Integer("schedule.evaluations"),
      .save_steps = c.OptionalInteger("schedule.saveSteps"),
      .save_total_limit = c.OptionalInteger("schedule.saveTotalLimit"),
      .eval_steps = c.OptionalInteger("schedule.evalSteps"),
      .early_stopping_patience = c.OptionalInteger("schedule.earlyStoppingPatience"),
      .early_stopping_threshold = c.Number("schedule.earlyStoppingThreshold")};
  if (!schedule.eval_steps) schedule.eval_steps = c.OptionalInteger("evaluation.evalSteps");
  return schedule;
}

EvaluationPlan ReadEvaluation(const Configuration& c) {
  const auto metrics = c.Tokens("evaluation.metrics");
  const auto has = [&](const char* metric) {
    return std::find(metrics.begin(), metrics.end(), metric) != metrics.end();
  };
  return {.tool_accuracy = has("tool_accuracy"), .response_quality = has("response_quality")};
}

bool IsEnabled(const Configuration& c, const char* optimization) {
  const auto enabled = c.Tokens("optimizations.enabled");
  return std::find(enabled.begin(), enabled.end(), optimization) != enabled.end();
}

/// The optimizer's name once `optimizations.enabled` has had its say.
std::string OptimizerName(const Configuration& c) {
  std::string name = c.Text("optimizer.name");
  return name == "adamw" && IsEnabled(c, kOptimizer8Bit) ? "adamw_8bit" : name;
}

OptimizerPlan ReadOptimizer(const Configuration& c) {
  return {.name = OptimizerName(c),
          .paged = IsEnabled(c, kPagedOptimizer),
          .learning_rate = c.Number("optimizer.learningRate"),
          .schedule = c.Text("optimizer.scheduler.type"),
          .minimum_ratio = c.Number("optimizer.scheduler.minLRRatio"),
          .warmup_ratio = c.Number("optimizer.scheduler.warmupRatio"),
          .warmup_steps = c.OptionalInteger("optimizer.scheduler.warmupSteps"),
          .cycles = c.Number("optimizer.scheduler.cycles"),
          .weight_decay = c.Number("optimizer.weightDecay"),
          .maximum_gradient_norm = c.Number("optimizer.maxGradientNorm"),
          .beta1 = c.Number("optimizer.beta1"),
          .beta2 = c.Number("optimizer.beta2"),
          .epsilon = c.Number("optimizer.epsilon")};
}

/// Sections that decide where and how a job runs, what it is called and what is kept of it, but not
/// what it computes.
bool AffectsResult(const std::string& path) {
  for (const char* prefix : {"output.", "integrations.", "hardware.", "metadata", "evaluation.",
                             "model.", "datasets.trainingFileId", "datasets.validationFileId",
                             "datasets.strategy", "datasets.generationType", "schedule.checkpoints",
                             "schedule.saveSteps", "schedule.saveTotalLimit", "optimizations."}) {
    if (path.starts_with(prefix)) return false;
  }
  return true;
}

std::string CanonicalSettings(const Plan& plan, const Configuration& configuration) {
  Json settings = {{"precision", plan.precision},
                   {"trainSplit", plan.data.train_split},
                   {"optimizer", plan.optimizer.name},
                   {"sequencePacking", plan.sequence_packing},
                   {"dynamicPadding", plan.dynamic_padding}};
  for (const auto& [path, value] : configuration.given()) {
    // A schema with one more parameter must not part a job from its checkpoints.
    if (AffectsResult(path) && !configuration.IsGivenAsDefault(path)) settings[path] = value;
  }
  return settings.dump();
}

/// Pairs are for dpo, and dpo is for pairs; what is left to tell from the data, the data's reader
/// checks.
void CheckObjective(const Configuration& c, const Plan& plan, std::vector<Finding>& findings) {
  const bool dpo = plan.objective.type == "dpo";
  const auto conflict = [&](const std::string& path, const std::string& given,
                            const std::string& expected) {
    findings.push_back({.path = "configuration." + path,
                        .code = "conflict",
                        .message = dpo ? "objective.type dpo learns from pairs of answers"
                                       : "pairs of answers are for objective.type dpo",
                        .given = Json(given).dump(),
                        .expected = expected});
  };
  const std::string type = c.OptionalText("datasets.type").value_or("");
  if (dpo && type == "supervised") conflict("datasets.type", type, "preference");
  if (!dpo && type == "preference") conflict("datasets.type", type, "supervised");
  const std::string& format = plan.data.format;
  if (format != "auto" && dpo != (format == "preference")) {
    conflict("datasets.format", format, dpo ? "preference or auto" : "another format");
  }
  if (dpo && plan.objective.loss == "ipo" && plan.objective.label_smoothing > 0) {
    findings.push_back({.path = "configuration.objective.dpo.labelSmoothing",
                        .code = "conflict",
                        .message = "is part of the sigmoid loss only",
                        .given = Json(plan.objective.label_smoothing).dump(),
                        .expected = "0, or objective.dpo.lossType sigmoid"});
  }
}

void CheckCombinations(const Configuration& c, const Plan& plan, std::vector<Finding>& findings) {
  if (c.IsGiven("optimizer.scheduler.warmupSteps") && plan.optimizer.warmup_ratio > 0) {
    findings.push_back({.path = "configuration.optimizer.scheduler.warmupSteps",
                        .code = "conflict",
                        .message = "only one of warmupSteps and warmupRatio may be set",
                        .given = std::to_string(*plan.optimizer.warmup_steps),
                        .expected = "one of the two"});
  }
  const std::string modules = c.Text("method.loraConfig.trainableModules");
  if (modules != "all-linear" && plan.lora.modules.empty()) {
    findings.push_back({.path = "configuration.method.loraConfig.trainableModules",
                        .code = "wrong_value",
                        .message = "names no module",
                        .given = Json(modules).dump(),
                        .expected = "all-linear, or names with commas: q_proj,v_proj"});
  }
  const bool lora = plan.method == "lora" || plan.method == "qlora";
  if (lora && c.IsGiven("method.loraConfig.initFrom") && !plan.paths.init_adapter) {
    findings.push_back({.path = "paths.initAdapter",
                        .code = "required",
                        .message = "method.loraConfig.initFrom is set, but no folder is given",
                        .given = "null",
                        .expected = "the folder of that adapter"});
  }
}

Plan ReadPlan(const Json& json, std::vector<Finding>& findings) {
  EnvelopeReader reader(findings);
  reader.CheckKeys(
      json, "",
      {"planVersion", "jobId", "attempt", "device", "configuration", "paths", "distributed"});
  Plan plan;
  plan.job_id = reader.Text(json, "", "jobId");
  plan.attempt = reader.Integer(json, "", "attempt");
  plan.device = reader.Text(json, "", "device");
  plan.paths = ReadPaths(json, reader);
  ReadDistributed(json, reader, plan);
  const Configuration c = Configuration::Parse(reader.Object(json, "configuration"), findings);
  CheckSupport(c, findings);
  plan.base_model_name = c.OptionalText("model.baseModel").value_or(plan.paths.base_model.string());
  plan.precision =
      c.OptionalText("model.precision").value_or(plan.device == "cpu" ? "fp32" : "bf16");
  plan.data = ReadData(c, plan.paths.validation.has_value(), findings);
  plan.method = c.Text("method.type");
  plan.objective = ReadObjective(c);
  plan.lora = ReadLora(c);
  plan.quantization = ReadQuantization(c);
  plan.prefix = ReadPrefix(c);
  plan.bottleneck = {.size = c.Integer("method.adapterSize"),
                     .variant = c.Text("method.adapterVariant")};
  plan.schedule = ReadSchedule(c);
  plan.evaluation = ReadEvaluation(c);
  plan.optimizer = ReadOptimizer(c);
  plan.gradient_checkpointing = IsEnabled(c, "gradient_checkpointing");
  plan.activation_offloading = IsEnabled(c, "activation_offloading");
  plan.sequence_packing = IsEnabled(c, "sequence_packing");
  plan.dynamic_padding = IsEnabled(c, "dynamic_padding");
  plan.seed = c.Integer("seed");
  plan.warnings = IgnoredSettings(c);
  if (plan.device == "cpu" && plan.activation_offloading) {
    plan.warnings.push_back(
        "optimizations.enabled: activation_offloading has no effect on a CPU: activations are in "
        "host memory already");
  }
  if (plan.device == "cpu" && plan.optimizer.paged) {
    plan.warnings.push_back(
        "optimizations.enabled: paged_optimizer has no effect on a CPU: the optimizer's state is "
        "in "
        "host memory already");
  }
  CheckObjective(c, plan, findings);
  CheckCombinations(c, plan, findings);
  plan.settings = CanonicalSettings(plan, c);
  return plan;
}

}  // namespace

Result<Plan> ParsePlan(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object()) return Failure(ErrorCode::kInvalidArgument, "the plan is no JSON object");
  const Json version = json.value("planVersion", Json());
  if (version != trainer_protocol::kPlanVersion) {
    return Failure(ErrorCode::kInvalidArgument,
                   "planVersion is " + version.dump() + ", this trainer reads version " +
                       std::to_string(trainer_protocol::kPlanVersion) +
                       ": worker and trainer are of different releases");
  }
  std::vector<Finding> findings;
  Plan plan = ReadPlan(json, findings);
  if (findings.empty()) return plan;
  std::string message =
      "the plan is invalid: " + findings.front().path + " " + findings.front().message;
  if (findings.size() > 1) {
    message += " (and " + std::to_string(findings.size() - 1) + " more)";
  }
  return Failure(Error{ErrorCode::kInvalidArgument, std::move(message), std::move(findings)});
}

std::optional<std::filesystem::path> OutputOf(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.value("paths", Json()).is_object()) return std::nullopt;
  const Json output = json["paths"].value("output", Json());
  if (!output.is_string() || output.get<std::string>().empty()) return std::nullopt;
  return output.get<std::string>();
}

}  // namespace lathe::trainer::plan
