#include "common/estimator/machine.h"

#include <array>

namespace lathe::estimator {
namespace {

/// Dense rates in TFLOP/s from the makers' data sheets: 16-bit values, and fp32 (TF32 off).
struct KnownGpu {
  const char* name;
  double half;
  double single;
};
constexpr std::array<KnownGpu, 16> kKnown = {{
    {"H200", 989, 67},
    {"H100", 989, 67},
    {"H800", 989, 67},
    {"H20", 148, 44},
    {"B200", 2250, 80},
    {"A100", 312, 19.5},
    {"A800", 312, 19.5},
    {"A40", 149.7, 37.4},
    {"A10", 125, 31.2},
    {"A30", 165, 10.3},
    {"L40S", 362, 91.6},
    {"L40", 181, 90.5},
    {"L4", 121, 30.3},
    {"V100", 125, 15.7},
    {"T4", 65, 8.1},
    {"4090", 165, 82.6},
}};
/// What large products reach of that in practice.
constexpr double kSustained = 0.7;

}  // namespace

std::optional<double> GpuMatmulFlops(const std::string& name, double bytes_per_value) {
  for (const KnownGpu& gpu : kKnown) {
    if (name.find(gpu.name) == std::string::npos) continue;
    return (bytes_per_value <= 2 ? gpu.half : gpu.single) * 1e12 * kSustained;
  }
  return std::nullopt;
}

}  // namespace lathe::estimator
