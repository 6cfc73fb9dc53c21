#pragma once
// `lathe-trainer bench`: what this machine reaches in large matrix products, in the precisions that
// training uses. The estimator's time rests on it.

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <string>

#include "common/base/result.h"

namespace lathe::trainer::commands {

struct BenchArguments {
  std::string device = "cpu";
  double seconds = 0.5;  ///< for each precision
  /// Steps of this model are measured too; empty: none.
  std::filesystem::path model;
  bool json = false;
};

/// Sustained rate of products [512, 1024] x [1024, 4096] (eight times as large on a GPU), FLOP/s.
/// `precision` is fp32, bf16 or fp16.
Result<double> MeasureMatmul(const std::string& device, const std::string& precision,
                             double seconds);

/// {device, threads, matmulFlops: {fp32, bf16}, processBytes}, on a CPU also cpuKernels and
/// packsBf16Weights, with a model also stepFlops: {fp32, bf16}.
int RunBench(const BenchArguments& arguments, std::ostream& out);

}  // namespace lathe::trainer::commands
