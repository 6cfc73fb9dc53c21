#include "worker/trainer/export/fixed_rope.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "worker/trainer/model/rope.h"

namespace lathe::trainer::exporting {
namespace {

using Json = nlohmann::ordered_json;
using model::RopeDescription;

bool SameAngles(const RopeDescription& left, const RopeDescription& right) {
  const std::vector<float> ours = model::RopeFrequencies(left, 0);
  const std::vector<float> theirs = model::RopeFrequencies(right, 0);
  return std::equal(ours.begin(), ours.end(), theirs.begin(), theirs.end(), [](float a, float b) {
    return std::abs(a - b) <= 5e-7F * std::abs(a);  // A few roundings.
  });
}

/// A file of divisors does not say what they were made of. All models so far have the factors 1 and
/// 4 for the bounds, so that the original context is what is left to find; the one of Llama 3
/// first, since others may give the same where few frequencies lie between the bounds.
std::optional<model::Llama3RopeScaling> AsLlama3(const RopeDescription& rope,
                                                 const std::vector<float>& divisors) {
  const auto largest = static_cast<double>(*std::max_element(divisors.begin(), divisors.end()));
  model::Llama3RopeScaling scaling{.factor = std::round(largest * 1e3) / 1e3};
  RopeDescription candidate = rope;
  const auto fits = [&](double context) {
    scaling.original_context = context;
    candidate.scaling = scaling;
    return SameAngles(rope, candidate);
  };
  if (fits(8192)) return scaling;
  for (double context = 16; context <= 1 << 20; context *= 2) {
    if (fits(context)) return scaling;
  }
  return std::nullopt;
}

}  // namespace

Json FixedScalingJson(const RopeDescription& rope, std::int64_t context) {
  const auto& divisors = std::get<model::FixedRopeScaling>(rope.scaling).divisors;
  if (const auto scaling = AsLlama3(rope, divisors)) {
    return {
        {"rope_type", "llama3"},
        {"factor", scaling->factor},
        {"low_freq_factor", scaling->low_frequency_factor},
        {"high_freq_factor", scaling->high_frequency_factor},
        {"original_max_position_embeddings", static_cast<std::int64_t>(scaling->original_context)}};
  }
  return {{"rope_type", "longrope"}, {"short_factor", divisors},
          {"long_factor", divisors}, {"attention_factor", rope.attention_factor},
          {"factor", 1.0},           {"original_max_position_embeddings", context}};
}

}  // namespace lathe::trainer::exporting
