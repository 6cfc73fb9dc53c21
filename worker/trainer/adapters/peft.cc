#include "worker/trainer/adapters/peft.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/adapters/peft_names.h"
#include "worker/trainer/formats/json_file.h"

namespace lathe::trainer::adapters {
namespace {

using Json = nlohmann::json;  // Objects keep their keys sorted, as PEFT writes them.

/// "q_proj" where every layer's is adapted, else full names: PEFT matches both by suffix.
std::vector<std::string> TargetModules(const LoraAdapter& adapter) {
  const std::size_t layers = adapter.low_rank().groups.size() / 4;
  std::map<std::string, std::vector<std::string>> by_component;
  for (const LoraModule& module : adapter.modules()) {
    by_component[module.name.substr(module.name.find_last_of('.') + 1)].push_back(module.name);
  }
  std::vector<std::string> targets;
  for (const auto& [component, names] : by_component) {
    if (names.size() == layers || names.front() == component) {
      targets.push_back(component);
    } else {
      targets.insert(targets.end(), names.begin(), names.end());
    }
  }
  return targets;
}

/// Alphas are whole numbers nearly always, and Python users expect `16`, not `16.0`.
Json Number(double value) {
  const auto whole = static_cast<std::int64_t>(value);
  return static_cast<double>(whole) == value ? Json(whole) : Json(value);
}

constexpr std::pair<BiasTraining, const char*> kBiasNames[] = {
    {BiasTraining::kNone, "none"},
    {BiasTraining::kAdaptedLayers, "lora_only"},
    {BiasTraining::kAll, "all"}};

const char* BiasName(BiasTraining training) {
  return kBiasNames[static_cast<std::size_t>(training)].second;
}

Json Configuration(const LoraAdapter& adapter, const std::string& base_model) {
  const LoraSettings& s = adapter.settings();
  Json alpha_pattern = Json::object();
  for (const auto& [name, alpha] : s.alpha_pattern) alpha_pattern[name] = Number(alpha);
  Json rank_pattern = Json::object();
  for (const auto& [name, rank] : s.rank_pattern) rank_pattern[name] = rank;
  return {{"alpha_pattern", alpha_pattern},
          {"auto_mapping", nullptr},
          {"base_model_name_or_path", base_model},
          {"bias", BiasName(s.bias)},
          {"exclude_modules", nullptr},
          {"fan_in_fan_out", false},
          {"inference_mode", true},
          {"init_lora_weights", true},
          {"layer_replication", nullptr},
          {"layers_pattern", nullptr},
          {"layers_to_transform", nullptr},
          {"loftq_config", Json::object()},
          {"lora_alpha", Number(s.alpha)},
          {"lora_bias", false},
          {"lora_dropout", s.dropout},
          {"megatron_config", nullptr},
          {"megatron_core", "megatron.core"},
          {"modules_to_save", nullptr},
          {"peft_type", "LORA"},
          {"r", s.rank},
          {"rank_pattern", rank_pattern},
          {"revision", nullptr},
          {"target_modules", TargetModules(adapter)},
          {"task_type", "CAUSAL_LM"},
          {"use_dora", s.dora},
          {"use_rslora", s.rslora}};
}

/// Keys that must be absent, null, false, "none" or empty: each changes what the matrices mean, or
/// which layers have some.
constexpr const char* kMustBeOff[] = {"modules_to_save",
                                      "fan_in_fan_out",
                                      "lora_bias",
                                      "layer_replication",
                                      "layers_to_transform",
                                      "exclude_modules",
                                      "trainable_token_indices",
                                      "target_parameters",
                                      "alora_invocation_tokens",
                                      "use_qalora",
                                      "use_bdlora",
                                      "kasa_config",
                                      "arrow_config"};

/// Ways of starting that change the base weights too, so that the matrices do not fit the base as
/// it is; names as PEFT's init_lora_weights has them. "pissa_niter_16" and the like count as well.
constexpr const char* kChangeTheBase[] = {"pissa", "olora", "corda", "loftq", "lora_ga"};

constexpr std::int64_t kMaxRank = 1 << 16;

bool IsOff(const Json& value) {
  return value.is_null() || value == false || value == "none" || value.empty();
}

Result<std::vector<std::string>> ReadTargets(const Json& config, const std::string& path) {
  const Json targets = config.value("target_modules", Json());
  std::vector<std::string> modules;
  if (targets == "all-linear") return modules;
  const auto is_text = [](const Json& target) { return target.is_string(); };
  if (!targets.is_array() || targets.empty() ||
      !std::all_of(targets.begin(), targets.end(), is_text)) {
    return Failure(ErrorCode::kInvalidArgument,
                   path + ": target_modules is " + targets.dump() +
                       ", expected a list of names or \"all-linear\" (patterns are not read)");
  }
  return targets.get<std::vector<std::string>>();
}

Result<BiasTraining> ReadBias(const Json& config, const std::string& path) {
  const Json given = config.value("bias", Json("none"));
  for (const auto& [training, name] : kBiasNames) {
    if (given == name) return training;
  }
  return Failure(ErrorCode::kInvalidArgument,
                 path + ": bias is " + given.dump() + ", expected none, lora_only or all");
}

Result<LoraSettings> FromConfiguration(const Json& config, const std::string& path) {
  LoraSettings s;
  s.rank = config.value("r", std::int64_t{8});
  s.alpha = config.value("lora_alpha", 8.0);
  s.dropout = config.value("lora_dropout", 0.0);
  s.rslora = config.value("use_rslora", false);
  s.dora = config.value("use_dora", false);
  LATHE_ASSIGN_OR_RETURN(s.bias, ReadBias(config, path));
  s.rank_pattern = config.value("rank_pattern", s.rank_pattern);
  s.alpha_pattern = config.value("alpha_pattern", s.alpha_pattern);
  LATHE_ASSIGN_OR_RETURN(s.modules, ReadTargets(config, path));
  const auto in_range = [](std::int64_t rank) { return rank >= 1 && rank <= kMaxRank; };
  if (!in_range(s.rank) ||
      !std::all_of(s.rank_pattern.begin(), s.rank_pattern.end(),
                   [&](const auto& entry) { return in_range(entry.second); })) {
    return Failure(ErrorCode::kInvalidArgument, path + ": r and the values of rank_pattern must " +
                                                    "be between 1 and " + std::to_string(kMaxRank));
  }
  return s;
}

}  // namespace

Status WritePeft(const LoraAdapter& adapter, const std::string& base_model,
                 const std::filesystem::path& folder) {
  LATHE_RETURN_IF_ERROR(WritePeftWeights(adapter, folder));
  return WriteFileAtomically(folder / kConfigFile,
                             Configuration(adapter, base_model).dump(2) + "\n");
}

Result<LoraSettings> ReadPeftSettings(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / kConfigFile;
  LATHE_ASSIGN_OR_RETURN(const Json config, formats::ReadJsonObject(path));
  const auto fail = [&](const std::string& message) {
    return Failure(ErrorCode::kInvalidArgument, path.string() + ": " + message);
  };
  const Json type = config.value("peft_type", Json());
  if (type != "LORA") return fail("peft_type is " + type.dump() + ", expected \"LORA\"");
  for (const char* key : kMustBeOff) {
    if (!IsOff(config.value(key, Json()))) {
      return fail("\"" + std::string(key) + "\" is set, which is not supported");
    }
  }
  const std::string start = config.value("init_lora_weights", Json()).dump();
  for (const char* name : kChangeTheBase) {
    if (start.find(name) == std::string::npos) continue;
    return fail("init_lora_weights is " + start +
                ", which changes the base weights and is not supported; convert the adapter to "
                "plain LoRA with PEFT first");
  }
  try {
    return FromConfiguration(config, path.string());
  } catch (const Json::exception& error) {
    return fail(error.what());
  }
}

Result<LoraAdapter> LoadPeft(const model::Decoder& decoder, const std::filesystem::path& folder,
                             Purpose purpose) {
  LATHE_ASSIGN_OR_RETURN(const LoraSettings settings, ReadPeftSettings(folder));
  LATHE_ASSIGN_OR_RETURN(LoraAdapter adapter, LoraAdapter::Create(decoder, settings, purpose));
  LATHE_RETURN_IF_ERROR(ReadPeftWeights(folder, adapter));
  return adapter;
}

}  // namespace lathe::trainer::adapters
