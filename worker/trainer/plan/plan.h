#pragma once
// A training job, ready to run: the plan file read, checked and completed. A plain value; nothing
// in it is looked up anywhere else. See worker/trainer_protocol/trainer_protocol.h for the file.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/plan/parameter_defaults.h"

namespace lathe::trainer::plan {

struct Paths {
  std::filesystem::path base_model;
  std::filesystem::path train;
  std::optional<std::filesystem::path> validation;
  std::filesystem::path output;
  std::optional<std::filesystem::path> init_adapter;
};

struct DataPlan {
  std::string format;           ///< "auto", "messages", ..., "tokenized"
  std::string train_on_inputs;  ///< "auto", "enabled", "disabled"
  std::optional<std::string> chat_template;
  /// JSON list of {"type": "function", "function": {...}}, as chat templates expect it; or empty.
  std::string tools;
  std::optional<std::int64_t> max_samples;
  double train_split = 1;  ///< share of the training file that is trained on
  bool shuffle = DefaultFlag("datasets.shuffle");
  std::int64_t seed = DefaultInteger("seed");
  std::int64_t sequence_length = DefaultInteger("schedule.sequenceLength");  ///< tokens
  std::string long_rows;  ///< of more tokens: "truncate", "drop", "error"
};

struct LoraPlan {
  std::int64_t rank = DefaultInteger("method.loraConfig.rank");
  double alpha = DefaultNumber("method.loraConfig.alpha");
  double dropout = DefaultNumber("method.loraConfig.dropout");
  std::vector<std::string> modules;  ///< empty: every linear layer but the output head
  bool rslora = false;
  bool dora = false;
  std::string bias = "none";  ///< "none", "lora_only", "all"
  std::map<std::string, std::int64_t> rank_pattern;
  std::map<std::string, double> alpha_pattern;
};

/// How the frozen weights of a QLoRA run are stored.
struct QuantizationPlan {
  std::int64_t bits = DefaultInteger("method.quantizationBits");  ///< 4 or 8
  std::string type;                                               ///< of 4 bits: "nf4", "fp4"
  bool double_quant = DefaultFlag("method.doubleQuant");          ///< of 4 bits
};

struct PrefixPlan {
  std::int64_t length = DefaultInteger("method.prefixLength");  ///< virtual tokens
  bool projection = false;
  std::optional<std::int64_t> projection_size;
};

struct BottleneckPlan {
  std::int64_t size = DefaultInteger("method.adapterSize");
  std::string variant;  ///< "pfeiffer", "houlsby", "parallel"
};

struct ObjectivePlan {
  std::string type;  ///< "sft", "dpo"
  std::string loss;  ///< of dpo: "sigmoid", "ipo"
  double beta = 1;
  double label_smoothing = 0;
  bool reference_free = false;
};

struct SchedulePlan {
  std::int64_t epochs = DefaultInteger("schedule.epochs");
  std::optional<std::int64_t> max_steps;
  std::int64_t batch_size = DefaultInteger("schedule.batchSize");
  std::int64_t gradient_accumulation = DefaultInteger("schedule.gradientAccumulation");
  /// Spread evenly over the run, unless save_steps or eval_steps are given.
  std::int64_t checkpoints = DefaultInteger("schedule.checkpoints");
  std::int64_t evaluations = DefaultInteger("schedule.evaluations");
  std::optional<std::int64_t> save_steps;
  std::optional<std::int64_t> save_total_limit;
  std::optional<std::int64_t> eval_steps;
  std::optional<std::int64_t> early_stopping_patience;
  double early_stopping_threshold = 0;
};

/// What evaluations measure on answers that are generated for it.
struct EvaluationPlan {
  bool tool_accuracy = false;
  bool response_quality = false;
};

struct OptimizerPlan {
  std::string name;    ///< "adamw", "adamw_8bit", ...: what optimizations.enabled says is in it
  bool paged = false;  ///< moments in host memory; a name may say so, too
  double learning_rate = DefaultNumber("optimizer.learningRate");
  std::string schedule;  ///< "cosine", "linear", ...
  double minimum_ratio = 0;
  double warmup_ratio = 0;
  std::optional<std::int64_t> warmup_steps;
  double cycles = DefaultNumber("optimizer.scheduler.cycles");
  double weight_decay = 0;
  double maximum_gradient_norm = DefaultNumber("optimizer.maxGradientNorm");
  double beta1 = DefaultNumber("optimizer.beta1");
  double beta2 = DefaultNumber("optimizer.beta2");
  double epsilon = DefaultNumber("optimizer.epsilon");
};

struct Plan {
  std::string job_id;
  std::int64_t attempt = 1;
  std::string device;
  Paths paths;
  std::string base_model_name;
  std::string precision;  ///< "fp32", "bf16" or "fp16"
  DataPlan data;
  std::string method;  ///< "lora", "qlora", "full", "prefix", "adapter"
  ObjectivePlan objective;
  LoraPlan lora;
  std::optional<QuantizationPlan> quantization;
  PrefixPlan prefix;
  BottleneckPlan bottleneck;
  SchedulePlan schedule;
  EvaluationPlan evaluation;
  OptimizerPlan optimizer;
  bool gradient_checkpointing = false;
  bool activation_offloading = false;
  bool sequence_packing = false;
  bool dynamic_padding = false;
  std::int64_t seed = DefaultInteger("seed");
  /// How many processes share the work, if the plan says so.
  std::optional<std::int64_t> world_size;
  std::string base_weights =
      "auto";  ///< "auto", "replicated", "sharded": in each of them, or in parts
  /// What is set but does not concern this program: told as warnings.
  std::vector<std::string> warnings;
  /// Every setting that the result depends on, as canonical text. Two plans of equal settings and
  /// equal files give the same adapter on the same machine.
  std::string settings;
};

/// kInvalidArgument with everything that is wrong as findings, each with its path in the file.
Result<Plan> ParsePlan(const std::string& text);

/// Where a plan wants its output even if the rest of it is wrong, so that the failure can be
/// recorded there; nullopt when that cannot be told either.
std::optional<std::filesystem::path> OutputOf(const std::string& text);

}  // namespace lathe::trainer::plan
