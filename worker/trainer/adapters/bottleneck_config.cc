#include "worker/trainer/adapters/bottleneck_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"

namespace lathe::trainer::adapters {
namespace {

using Json = nlohmann::json;  // Objects keep their keys sorted, as AdapterHub writes them.
using model::BottleneckActivation;
using model::BottleneckInput;

/// AdapterHub knows sizes as int(hidden // factor), in floating point: the factor whose size is
/// this one.
double FactorOf(std::int64_t size, std::int64_t hidden) {
  return static_cast<double>(hidden) / static_cast<double>(size);
}

/// As Python computes it: the quotient is rounded down after the exact remainder is taken away.
std::int64_t SizeOf(double factor, std::int64_t hidden) {
  const auto whole = static_cast<double>(hidden);
  return std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::round((whole - std::fmod(whole, factor)) / factor)));
}

/// The factor for exactly this size.
double ExactFactorOf(std::int64_t size, std::int64_t hidden) {
  double factor = FactorOf(size, hidden);
  while (SizeOf(factor, hidden) < size) factor = std::nextafter(factor, 0.0);
  return factor;
}

/// Options of AdapterHub that change the mathematics, with the only value that is read.
const std::vector<std::pair<const char*, Json>>& Fixed() {
  static const std::vector<std::pair<const char*, Json>> table = {
      {"cross_adapter", false}, {"inv_adapter", nullptr}, {"leave_out", Json::array()},
      {"ln_after", false},      {"ln_before", false},     {"original_ln_after", true},
      {"phm_layer", false},     {"use_gating", false},    {"residual_before_ln", true}};
  return table;
}

/// "qwen2" -> "Qwen2ForCausalLM".
std::string ClassOf(std::string architecture) {
  if (!architecture.empty()) architecture[0] = static_cast<char>(std::toupper(architecture[0]));
  return architecture + "ForCausalLM";
}

Result<BottleneckSettings> FromConfig(const Json& config, std::int64_t hidden) {
  const auto fail = [](const std::string& message) {
    return Failure(ErrorCode::kInvalidArgument, message);
  };
  for (const auto& [key, value] : Fixed()) {
    if (config.value(key, value) == value) continue;
    return fail("\"" + std::string(key) + "\" is " + config[key].dump() +
                ", which is not supported (" + value.dump() + " is)");
  }
  BottleneckSettings settings;
  const Json factor = config.value("reduction_factor", Json());
  if (!factor.is_number() || !(factor.get<double>() > 0)) {
    return fail("reduction_factor is " + factor.dump() + ", expected a number above 0");
  }
  settings.size = SizeOf(factor.get<double>(), hidden);
  settings.attention = config.value("mh_adapter", false);
  settings.mlp = config.value("output_adapter", false);
  const Json activation = config.value("non_linearity", Json());
  if (activation == "relu") {
    settings.activation = BottleneckActivation::kRelu;
  } else if (activation == "swish" || activation == "silu") {
    settings.activation = BottleneckActivation::kSilu;
  } else {
    return fail("non_linearity is " + activation.dump() + ", relu and swish are supported");
  }
  const Json scale = config.value("scaling", Json(1.0));
  if (!scale.is_number()) return fail("scaling is " + scale.dump() + ", expected a number");
  settings.scale = scale.get<double>();
  settings.input = config.value("original_ln_before", false) ? BottleneckInput::kAddedAndStream
                                                             : BottleneckInput::kAdded;
  if (config.value("is_parallel", false)) settings.input = BottleneckInput::kStream;
  return settings;
}

}  // namespace

std::string WriteBottleneckConfig(const model::Decoder& decoder, const SavedBottleneck& saved,
                                  const std::string& base_model) {
  const BottleneckSettings& s = saved.settings;
  const model::ModelDescription& d = decoder.description;
  const bool parallel = s.input == BottleneckInput::kStream;
  Json config = {{"adapter_residual_before_ln", false},
                 {"dropout", 0.0},
                 {"factorized_phm_W", true},
                 {"factorized_phm_rule", false},
                 {"hypercomplex_nonlinearity", "glorot-uniform"},
                 {"init_weights", parallel ? "mam_adapter" : "bert"},
                 {"init_weights_seed", nullptr},
                 {"inv_adapter_reduction_factor", nullptr},
                 {"is_parallel", parallel},
                 {"learn_phm", true},
                 {"mh_adapter", s.attention},
                 {"non_linearity", s.activation == BottleneckActivation::kRelu ? "relu" : "swish"},
                 {"original_ln_before", s.input == BottleneckInput::kAddedAndStream},
                 {"output_adapter", s.mlp},
                 {"phm_bias", true},
                 {"phm_c_init", "normal"},
                 {"phm_dim", 4},
                 {"phm_init_range", 0.0001},
                 {"phm_rank", 1},
                 {"reduction_factor", ExactFactorOf(s.size, d.hidden)},
                 {"scaling", s.scale},
                 {"shared_W_phm", false},
                 {"shared_phm_rule", true},
                 {"stochastic_depth", 0.0}};
  for (const auto& [key, value] : Fixed()) config[key] = value;
  const Json file = {{"config", config},
                     {"hidden_size", d.hidden},
                     {"model_class", ClassOf(d.architecture)},
                     {"model_name", base_model},
                     {"model_type", d.architecture},
                     {"name", saved.name},
                     {"version", "adapters.1.3.0"}};
  return file.dump(2) + "\n";
}

Result<SavedBottleneck> ReadBottleneckConfig(const std::filesystem::path& path,
                                             std::int64_t hidden) {
  LATHE_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const Json file = Json::parse(text, nullptr, false);
  const auto fail = [&](const std::string& message) {
    return Failure(ErrorCode::kInvalidArgument, path.string() + ": " + message);
  };
  if (!file.is_object() || !file.value("config", Json()).is_object()) {
    return fail("has no object \"config\"");
  }
  const Json name = file.value("name", Json());
  if (!name.is_string()) return fail("name is " + name.dump() + ", expected text");
  try {
    auto settings = FromConfig(file["config"], hidden);
    if (!settings) return fail(settings.error().message);
    return SavedBottleneck{*settings, name.get<std::string>()};
  } catch (const Json::exception& error) {
    return fail(error.what());
  }
}

}  // namespace lathe::trainer::adapters
