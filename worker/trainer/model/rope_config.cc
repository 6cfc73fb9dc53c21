#include "worker/trainer/model/rope_config.h"

#include <cmath>

namespace lathe::trainer::model {
namespace {

using Json = nlohmann::json;

class RopeReader {
 public:
  RopeReader(ConfigReader& config, const Json& parameters, const ModelDescription& description,
             const RopeConventions& conventions)
      : config_(config),
        reader_(parameters, config.source() + ": rope scaling"),
        context_(static_cast<double>(description.context)),
        conventions_(conventions) {}

  void ReadInto(RopeDescription& rope) {
    const std::string type = reader_.Text("rope_type", reader_.Text("type", "default"));
    if (type == "linear") {
      rope.scaling = LinearRopeScaling{reader_.Number("factor")};
    } else if (type == "llama3") {
      rope.scaling = Llama3RopeScaling{.factor = reader_.Number("factor"),
                                       .low_frequency_factor = reader_.Number("low_freq_factor"),
                                       .high_frequency_factor = reader_.Number("high_freq_factor"),
                                       .original_context = OriginalContext()};
    } else if (type == "dynamic") {
      rope.scaling = DynamicRopeScaling{reader_.Number("factor"), context_};
    } else if (type == "longrope" ||
               (conventions_.long_aliases && (type == "su" || type == "yarn"))) {
      ReadLong(rope);
    } else if (type == "yarn") {
      ReadYarn(rope);
    } else if (type != "default") {
      config_.Refuse("rope_type \"" + type +
                     "\" is not supported (default, linear, dynamic, llama3, yarn, longrope are)");
    }
    if (const Status status = reader_.status(); !status) config_.Refuse(status.error().message);
  }

 private:
  /// The model's own key goes before that of the scaling.
  double OriginalContext() {
    const char* key = "original_max_position_embeddings";
    const double family = static_cast<double>(conventions_.original_context);
    if (family > 0) return config_.Number(key, family);
    return config_.Number(key, reader_.Number(key, context_));
  }

  double Factor(double original) { return reader_.Number("factor", context_ / original); }

  void ReadYarn(RopeDescription& rope) {
    YarnRopeScaling yarn;
    yarn.original_context = OriginalContext();
    yarn.factor = Factor(yarn.original_context);
    yarn.beta_fast = reader_.Number("beta_fast", 32);
    yarn.beta_slow = reader_.Number("beta_slow", 1);
    yarn.truncate = reader_.Flag("truncate", true);
    const auto scale = [&](double weight) {
      return yarn.factor <= 1 ? 1.0 : 0.1 * weight * std::log(yarn.factor) + 1;
    };
    const double numerator = reader_.Number("mscale", 0);
    const double denominator = reader_.Number("mscale_all_dim", 0);
    const double inferred =
        numerator != 0 && denominator != 0 ? scale(numerator) / scale(denominator) : scale(1);
    rope.attention_factor = reader_.Number("attention_factor", inferred);
    rope.scaling = yarn;
  }

  void ReadLong(RopeDescription& rope) {
    LongRopeScaling scaling;
    const double original = OriginalContext();
    scaling.original_context = static_cast<std::int64_t>(original);
    scaling.short_divisors = reader_.Numbers("short_factor");
    scaling.long_divisors = reader_.Numbers("long_factor");
    const double factor = Factor(original);
    const double inferred =
        factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original));
    rope.attention_factor = reader_.Number("attention_factor", inferred);
    rope.scaling = std::move(scaling);
  }

  ConfigReader& config_;
  ConfigReader reader_;
  double context_;
  const RopeConventions& conventions_;
};

/// How many of a head's dimensions turn.
std::int64_t Dimensions(ConfigReader& config, const Json& parameters, std::int64_t head_dim,
                        const RopeConventions& conventions) {
  ConfigReader reader(parameters, config.source() + ": rope_parameters");
  const double factor =
      reader.Number("partial_rotary_factor", config.Number("partial_rotary_factor", 1));
  if (const Status status = reader.status(); !status) config.Refuse(status.error().message);
  if (factor != 1 && !conventions.partial) {
    config.Refuse("partial_rotary_factor " + std::to_string(factor) +
                  " is not supported for this model_type");
  }
  return static_cast<std::int64_t>(static_cast<double>(head_dim) * factor);
}

}  // namespace

RopeDescription ReadRope(ConfigReader& config, const Json* parameters,
                         const ModelDescription& description, const RopeConventions& conventions) {
  static const Json kNothing = Json::object();
  RopeDescription rope;
  rope.theta = config.Number("rope_theta", conventions.theta);
  const Json& given = parameters == nullptr ? kNothing : *parameters;
  if (!given.is_object()) {
    config.Refuse("rope scaling is " + given.dump() + ", expected an object");
    return rope;
  }
  ConfigReader top(given, config.source() + ": rope_parameters");
  rope.theta = top.Number("rope_theta", rope.theta);
  if (const Status status = top.status(); !status) config.Refuse(status.error().message);
  rope.dimensions = Dimensions(config, given, description.head_dim, conventions);
  RopeReader(config, given, description, conventions).ReadInto(rope);
  return rope;
}

const Json* FindRopeParameters(const ConfigReader& config) {
  const Json* scaling = config.Find("rope_scaling");
  if (scaling != nullptr && !(scaling->is_object() && scaling->empty())) return scaling;
  return config.Find("rope_parameters");
}

}  // namespace lathe::trainer::model
