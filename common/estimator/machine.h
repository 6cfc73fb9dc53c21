#pragma once
// What a machine can do, as measured or from its data sheet. Pure values.

#include <optional>
#include <string>

namespace lathe::estimator {

struct Machine {
  std::string name;  ///< "NVIDIA H200", "CPU, 2 threads"
  bool gpu = false;
  double memory_bytes = 0;  ///< 0: not known
  /// Sustained rate of large matrix products in the precision of the run, FLOP/s.
  double matmul_flops = 0;
  /// The share of a step that matrix products take when everything else is done too.
  double efficiency = 0.7;
  /// What whole steps reach, of the same products, as measured; 0: matmul_flops * efficiency.
  double step_flops = 0;
  /// Whether training in bf16 gains by a second copy of frozen weights, see AffordsPackedWeights.
  bool packs_bf16_weights = false;
  /// From start to the first step: loading the program, and the weights at this rate.
  double start_seconds = 0.5;
  double load_bytes_per_second = 1e9;
  /// What the process holds before any tensor: libraries, allocator, CUDA context.
  double base_bytes = 0;
  std::optional<double> price_per_hour;  ///< of what one job occupies
};

/// Sustained matrix rate of a GPU by its name and the bytes of its values, from the maker's dense
/// figures times 0.7; nullopt when the name is not known.
std::optional<double> GpuMatmulFlops(const std::string& name, double bytes_per_value);

}  // namespace lathe::estimator
