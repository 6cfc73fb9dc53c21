#include "worker/trainer/model/rope.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <numbers>

namespace lathe::trainer::model {
namespace {

/// Long wavelengths are stretched by the factor, short ones are kept, and between the two bounds
/// both are blended.
double ScaleFrequency(double frequency, const Llama3RopeScaling& scaling) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const double low = scaling.original_context / scaling.low_frequency_factor;
  const double high = scaling.original_context / scaling.high_frequency_factor;
  if (wavelength < high) return frequency;
  if (wavelength > low) return frequency / scaling.factor;
  const double smooth = (scaling.original_context / wavelength - scaling.low_frequency_factor) /
                        (scaling.high_frequency_factor - scaling.low_frequency_factor);
  return (1 - smooth) * frequency / scaling.factor + smooth * frequency;
}

std::vector<float> Frequencies(const ModelDescription& description) {
  const RopeDescription& rope = description.rope;
  std::vector<float> frequencies;
  for (std::int64_t i = 0; i < description.head_dim / 2; ++i) {
    const double exponent = static_cast<double>(2 * i) / static_cast<double>(description.head_dim);
    double frequency = std::pow(rope.theta, -exponent) / rope.linear_factor;
    if (rope.llama3) frequency = ScaleFrequency(frequency, *rope.llama3);
    if (!rope.frequency_divisors.empty()) {
      frequency /= static_cast<double>(rope.frequency_divisors[static_cast<std::size_t>(i)]);
    }
    frequencies.push_back(static_cast<float>(frequency));
  }
  return frequencies;
}

}  // namespace

RopeTable MakeRopeTable(const ModelDescription& description, std::int64_t positions,
                        const at::Device& device) {
  const std::vector<float> frequencies = Frequencies(description);
  const std::int64_t half = description.head_dim / 2;
  RopeTable table{at::empty({positions, half}, at::kFloat),
                  at::empty({positions, half}, at::kFloat)};
  float* cosine = table.cosine.data_ptr<float>();
  float* sine = table.sine.data_ptr<float>();
  for (std::int64_t p = 0; p < positions; ++p) {
    for (const float frequency : frequencies) {
      const float angle = static_cast<float>(p) * frequency;
      *cosine++ = std::cos(angle);
      *sine++ = std::sin(angle);
    }
  }
  table.cosine = table.cosine.to(device);
  table.sine = table.sine.to(device);
  return table;
}

}  // namespace lathe::trainer::model
