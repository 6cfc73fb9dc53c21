#include "worker/trainer/model/description_check.h"

#include <algorithm>
#include <cmath>

namespace lathe::trainer::model {
namespace {

std::string WrongDivisors(const std::string& name, const std::vector<float>& divisors,
                          std::size_t expected) {
  if (divisors.size() != expected) {
    return name + " has " + std::to_string(divisors.size()) + " values, expected " +
           std::to_string(expected);
  }
  const auto positive = [](float value) { return value > 0 && std::isfinite(value); };
  if (std::all_of(divisors.begin(), divisors.end(), positive)) return {};
  return name + " has a value that is not above 0";
}

/// What is wrong with a scaling, or nothing.
struct ScalingMistake {
  std::size_t half;  ///< how many frequencies there are

  std::string Factor(double factor) const {
    if (factor > 0 && std::isfinite(factor)) return {};
    return "rope scaling factor " + std::to_string(factor) + " is not above 0";
  }
  std::string Context(double context) const {
    if (context > 1 && std::isfinite(context)) return {};
    return "original_max_position_embeddings " + std::to_string(context) + " is not above 1";
  }

  std::string operator()(const std::monostate&) const { return {}; }
  std::string operator()(const LinearRopeScaling& s) const { return Factor(s.factor); }
  std::string operator()(const Llama3RopeScaling& s) const {
    if (!(s.low_frequency_factor > 0) || !(s.high_frequency_factor > s.low_frequency_factor)) {
      return "low_freq_factor and high_freq_factor are not 0 < low < high";
    }
    return Factor(s.factor) + Context(s.original_context);
  }
  std::string operator()(const DynamicRopeScaling& s) const {
    if (half < 2) return "rope_type dynamic needs more than 2 rotary dimensions";
    return Factor(s.factor) + Context(s.context);
  }
  std::string operator()(const YarnRopeScaling& s) const {
    if (!(s.beta_slow > 0) || !(s.beta_fast > 0)) return "beta_fast or beta_slow is not above 0";
    return Factor(s.factor) + Context(s.original_context);
  }
  std::string operator()(const LongRopeScaling& s) const {
    return WrongDivisors("short_factor", s.short_divisors, half) +
           WrongDivisors("long_factor", s.long_divisors, half) +
           Context(static_cast<double>(s.original_context));
  }
  std::string operator()(const FixedRopeScaling& s) const {
    return WrongDivisors("rope_freqs", s.divisors, half);
  }
};

std::string RopeMistake(const RopeDescription& rope, std::int64_t head_dim) {
  if (rope.dimensions < 2 || rope.dimensions > head_dim || rope.dimensions % 2 != 0) {
    return std::to_string(rope.dimensions) + " rotary dimensions do not fit heads of " +
           std::to_string(head_dim);
  }
  if (!(rope.theta > 1) || !std::isfinite(rope.theta)) {
    return "rope_theta " + std::to_string(rope.theta) + " is not above 1";
  }
  if (!std::isfinite(rope.attention_factor)) return "attention_factor is not finite";
  return std::visit(ScalingMistake{static_cast<std::size_t>(rope.dimensions / 2)}, rope.scaling);
}

}  // namespace

Status CheckSizes(const ModelDescription& d, const std::string& source) {
  const auto fail = [&](const std::string& message) -> Status {
    return Failure(ErrorCode::kInvalidArgument, source + ": " + message);
  };
  constexpr std::int64_t kLimit = std::int64_t{1} << 24;
  for (const auto& [name, value] : {std::pair{"vocabulary", d.vocabulary},
                                    {"hidden size", d.hidden},
                                    {"layer count", d.layers},
                                    {"head count", d.heads},
                                    {"key/value head count", d.kv_heads},
                                    {"head size", d.head_dim},
                                    {"feed-forward size", d.intermediate}}) {
    if (value < 1 || value > kLimit) {
      return fail(std::string(name) + " " + std::to_string(value) + " is not between 1 and " +
                  std::to_string(kLimit));
    }
  }
  // Layers are laid out before the weights are looked for; a damaged count must not fill the
  // memory.
  constexpr std::int64_t kMaxLayers = 4096;
  if (d.layers > kMaxLayers) {
    return fail("layer count " + std::to_string(d.layers) + " is above " +
                std::to_string(kMaxLayers));
  }
  if (d.heads % d.kv_heads != 0) {
    return fail(std::to_string(d.heads) + " heads do not divide evenly among " +
                std::to_string(d.kv_heads) + " key/value heads");
  }
  if (d.head_dim % 2 != 0) return fail("head size " + std::to_string(d.head_dim) + " is odd");
  return {};
}

Status CheckDescription(const ModelDescription& d, const std::string& source) {
  LATHE_RETURN_IF_ERROR(CheckSizes(d, source));
  const auto fail = [&](const std::string& message) -> Status {
    return Failure(ErrorCode::kInvalidArgument, source + ": " + message);
  };
  for (const auto& [name, value] : {std::pair{"rms norm epsilon", d.norm_epsilon},
                                    {"embedding scale", d.embedding_scale},
                                    {"score scale", d.layer.front().score_scale}}) {
    if (!(value > 0) || !std::isfinite(value)) {
      return fail(std::string(name) + " " + std::to_string(value) + " is not above 0");
    }
  }
  for (const double cap : {d.logit_cap, d.layer.front().score_cap}) {
    if (!(cap >= 0) || !std::isfinite(cap)) {
      return fail("soft cap " + std::to_string(cap) + " is negative");
    }
  }
  for (const LayerDescription& layer : d.layer) {
    if (layer.window < 0) {
      return fail("sliding window " + std::to_string(layer.window) + " is negative");
    }
  }
  for (const RopeDescription& rope : d.ropes) {
    if (const std::string wrong = RopeMistake(rope, d.head_dim); !wrong.empty()) return fail(wrong);
  }
  return {};
}

}  // namespace lathe::trainer::model
