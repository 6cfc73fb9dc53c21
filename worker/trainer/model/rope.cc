#include "worker/trainer/model/rope.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lathe::trainer::model {
namespace {

/// theta^(-2i/dimensions).
std::vector<float> BaseFrequencies(double theta, std::int64_t dimensions) {
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < dimensions / 2; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(dimensions);
    frequencies.push_back(1.0F / std::pow(static_cast<float>(theta), exponent));
  }
  return frequencies;
}

void Divide(std::vector<float>& frequencies, const std::vector<float>& divisors) {
  for (std::size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= divisors[i];
}

/// Long wavelengths are stretched by the factor, short ones are kept, and between the two bounds
/// both are blended.
double Stretched(double frequency, const Llama3RopeScaling& scaling) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const double low = scaling.original_context / scaling.low_frequency_factor;
  const double high = scaling.original_context / scaling.high_frequency_factor;
  if (wavelength < high) return frequency;
  if (wavelength > low) return frequency / scaling.factor;
  const double smooth = (scaling.original_context / wavelength - scaling.low_frequency_factor) /
                        (scaling.high_frequency_factor - scaling.low_frequency_factor);
  return (1 - smooth) * frequency / scaling.factor + smooth * frequency;
}

/// Blends kept and stretched frequencies along a ramp over the dimensions.
void Yarn(std::vector<float>& frequencies, const YarnRopeScaling& scaling,
          const RopeDescription& rope) {
  const auto dimensions = static_cast<double>(rope.dimensions);
  // The dimension, counted as a real number, that turns `turns` times within the original context.
  const auto dimension = [&](double turns) {
    return dimensions * std::log(scaling.original_context / (turns * 2 * std::numbers::pi)) /
           (2 * std::log(rope.theta));
  };
  double low = dimension(scaling.beta_fast);
  double high = dimension(scaling.beta_slow);
  if (scaling.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dimensions - 1);
  if (low == high) high += 0.001;
  for (std::size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    const auto kept = static_cast<double>(frequencies[i]);
    frequencies[i] = static_cast<float>(kept / scaling.factor * ramp + kept * (1 - ramp));
  }
}

double DynamicTheta(const RopeDescription& rope, const DynamicRopeScaling& scaling,
                    std::int64_t length) {
  const double longest = std::max(static_cast<double>(length), scaling.context);
  const auto dimensions = static_cast<double>(rope.dimensions);
  const double growth = scaling.factor * longest / scaling.context - (scaling.factor - 1);
  return rope.theta * std::pow(growth, dimensions / (dimensions - 2));
}

RopeTable MakeTable(const std::vector<float>& frequencies, std::int64_t positions,
                    double attention_factor) {
  const auto half = static_cast<std::int64_t>(frequencies.size());
  RopeTable table{at::empty({positions, half}, at::kFloat),
                  at::empty({positions, half}, at::kFloat)};
  const auto factor = static_cast<float>(attention_factor);
  float* cosine = table.cosine.data_ptr<float>();
  float* sine = table.sine.data_ptr<float>();
  for (std::int64_t p = 0; p < positions; ++p) {
    for (const float frequency : frequencies) {
      const float angle = static_cast<float>(p) * frequency;
      *cosine++ = std::cos(angle) * factor;
      *sine++ = std::sin(angle) * factor;
    }
  }
  return table;
}

RopeTable To(const RopeTable& table, const at::Device& device) {
  return {table.cosine.to(device), table.sine.to(device)};
}

RopeTable Select(const RopeTable& table, const at::Tensor& positions) {
  return {table.cosine.index_select(0, positions), table.sine.index_select(0, positions)};
}

}  // namespace

std::vector<float> RopeFrequencies(const RopeDescription& rope, std::int64_t length) {
  double theta = rope.theta;
  if (const auto* dynamic = std::get_if<DynamicRopeScaling>(&rope.scaling)) {
    theta = DynamicTheta(rope, *dynamic, length);
  }
  std::vector<float> frequencies = BaseFrequencies(theta, rope.dimensions);
  if (const auto* linear = std::get_if<LinearRopeScaling>(&rope.scaling)) {
    for (float& f : frequencies) f /= static_cast<float>(linear->factor);
  } else if (const auto* llama3 = std::get_if<Llama3RopeScaling>(&rope.scaling)) {
    for (float& f : frequencies) f = static_cast<float>(Stretched(static_cast<double>(f), *llama3));
  } else if (const auto* yarn = std::get_if<YarnRopeScaling>(&rope.scaling)) {
    Yarn(frequencies, *yarn, rope);
  } else if (const auto* stretched = std::get_if<LongRopeScaling>(&rope.scaling)) {
    const bool is_long = length > stretched->original_context;
    Divide(frequencies, is_long ? stretched->long_divisors : stretched->short_divisors);
  } else if (const auto* fixed = std::get_if<FixedRopeScaling>(&rope.scaling)) {
    Divide(frequencies, fixed->divisors);
  }
  return frequencies;
}

Rope::Rope(RopeDescription description, std::int64_t positions, const at::Device& device)
    : description_(std::move(description)) {
  const double factor = description_.attention_factor;
  table_ = To(MakeTable(RopeFrequencies(description_, 0), positions, factor), device);
  if (!Continues(0, positions) && std::holds_alternative<LongRopeScaling>(description_.scaling)) {
    long_table_ =
        To(MakeTable(RopeFrequencies(description_, positions), positions, factor), device);
  }
}

bool Rope::Continues(std::int64_t shorter, std::int64_t longer) const {
  if (const auto* stretched = std::get_if<LongRopeScaling>(&description_.scaling)) {
    return (shorter > stretched->original_context) == (longer > stretched->original_context);
  }
  if (const auto* dynamic = std::get_if<DynamicRopeScaling>(&description_.scaling)) {
    return shorter == longer || static_cast<double>(longer) <= dynamic->context;
  }
  return true;
}

RopeTable Rope::Table(std::int64_t length) const {
  if (Continues(0, length)) return table_;
  if (long_table_.cosine.defined()) return long_table_;
  return To(MakeTable(RopeFrequencies(description_, length), length, description_.attention_factor),
            table_.cosine.device());
}

RopeTable Rope::Rows(const at::Tensor& positions, const std::vector<std::int64_t>& lengths,
                     std::int64_t before) const {
  const bool all_short = std::all_of(lengths.begin(), lengths.end(), [&](std::int64_t length) {
    return Continues(0, before + length);
  });
  if (all_short) return Select(table_, positions);
  std::vector<at::Tensor> cosines;
  std::vector<at::Tensor> sines;
  std::int64_t begin = 0;
  for (const std::int64_t length : lengths) {
    const RopeTable rows = Select(Table(before + length), positions.narrow(0, begin, length));
    cosines.push_back(rows.cosine);
    sines.push_back(rows.sine);
    begin += length;
  }
  return {at::cat(cosines), at::cat(sines)};
}

}  // namespace lathe::trainer::model
