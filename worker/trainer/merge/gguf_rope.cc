#include <cmath>

#include "worker/trainer/merge/gguf_keys.h"
#include "worker/trainer/model/rope.h"

namespace lathe::trainer::merge {
namespace {

using model::ModelDescription;
using model::RopeDescription;

bool Near(double a, double b) {
  return std::abs(a - b) < 1e-6 * std::max(1.0, std::abs(b));
}

std::string AddYarn(const RopeDescription& rope, const model::YarnRopeScaling& yarn,
                    GgufKeys& keys) {
  // llama.cpp rounds bounds, and stretches what turns by this much.
  if (!yarn.truncate || !Near(rope.attention_factor, 1 + 0.1 * std::log(yarn.factor))) {
    return "this form of YaRN";
  }
  keys.Text(".rope.scaling.type", "yarn");
  keys.Number(".rope.scaling.factor", yarn.factor);
  keys.Integer(".rope.scaling.original_context_length",
               static_cast<std::int64_t>(yarn.original_context));
  if (yarn.beta_fast != 32) keys.Number(".rope.scaling.yarn_beta_fast", yarn.beta_fast);
  if (yarn.beta_slow != 1) keys.Number(".rope.scaling.yarn_beta_slow", yarn.beta_slow);
  return "";
}

std::string AddLong(const ModelDescription& d, const model::LongRopeScaling& scaling,
                    GgufKeys& keys) {
  if (d.architecture != "phi3") return "LongRoPE in another model than Phi 3";
  keys.Integer(".rope.scaling.original_context_length", scaling.original_context);
  keys.Number(".rope.scaling.attn_factor", d.ropes.front().attention_factor);
  return "";
}

}  // namespace

std::string AddRope(const ModelDescription& d, GgufKeys& keys) {
  const RopeDescription& rope = d.ropes.front();
  keys.Integer(".rope.dimension_count", rope.dimensions);
  keys.Number(".rope.freq_base", rope.theta);
  if (const auto* yarn = std::get_if<model::YarnRopeScaling>(&rope.scaling)) {
    return AddYarn(rope, *yarn, keys);
  }
  if (const auto* scaling = std::get_if<model::LongRopeScaling>(&rope.scaling)) {
    return AddLong(d, *scaling, keys);
  }
  if (rope.attention_factor != 1) return "this attention_factor of positions";
  if (const auto* linear = std::get_if<model::LinearRopeScaling>(&rope.scaling)) {
    keys.Text(".rope.scaling.type", "linear");
    keys.Number(".rope.scaling.factor", linear->factor);
    return "";
  }
  const bool said = std::holds_alternative<std::monostate>(rope.scaling) ||
                    std::holds_alternative<model::Llama3RopeScaling>(rope.scaling);
  return said ? "" : "this stretching of positions";
}

std::vector<RopeTensor> RopeTensors(const ModelDescription& d) {
  const RopeDescription& rope = d.ropes.front();
  if (const auto* scaling = std::get_if<model::LongRopeScaling>(&rope.scaling)) {
    return {{"rope_factors_long.weight", scaling->long_divisors},
            {"rope_factors_short.weight", scaling->short_divisors}};
  }
  if (!std::holds_alternative<model::Llama3RopeScaling>(rope.scaling)) return {};
  RopeTensor divisors{"rope_freqs.weight", {}};
  const std::vector<float> frequencies = model::RopeFrequencies(rope, d.context);
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(rope.dimensions);
    const double plain = std::pow(rope.theta, -exponent);
    divisors.values.push_back(static_cast<float>(plain / static_cast<double>(frequencies[i])));
  }
  return {std::move(divisors)};
}

}  // namespace lathe::trainer::merge
