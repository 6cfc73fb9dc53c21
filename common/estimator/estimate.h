#pragma once
// Memory, time, tokens, steps and cost of a job before it runs. Pure.
//
// Time counts matrix products. For each token and each weight of a product the forward pass takes 2
// FLOPs and the gradient of its input 2 more; a trained weight's own gradient takes another 2, and
// gradient checkpointing repeats the forward pass (Kaplan et al. 2020, arXiv 2001.08361, section
// 2.1; a frozen base needs no weight gradients). The output head counts for target tokens alone.

#include <optional>
#include <string>
#include <vector>

#include "common/estimator/machine.h"
#include "common/estimator/memory.h"
#include "common/estimator/shape.h"
#include "common/estimator/workload.h"

namespace lathe::estimator {

struct Time {
  std::int64_t steps = 0;
  double tokens_per_step = 0;
  double tokens = 0;  ///< over the run, without evaluations
  double seconds_per_step = 0;
  double start_seconds = 0;
  double total_seconds = 0;
  double tokens_per_second = 0;
};

struct Estimate {
  double parameters = 0;
  double trainable_parameters = 0;
  Memory memory;
  Time time;
  std::optional<double> cost;
  bool fits = true;  ///< always true when the machine's memory is not known
  /// What would make it fit, the mildest first; each with the bytes that it would need then.
  std::vector<std::string> remedies;
};

/// FLOPs of one training step's products for one token of a sequence of `length` tokens.
double StepFlopsPerToken(const ModelShape& shape, const Workload& workload, double length);

Estimate MakeEstimate(const ModelShape& shape, const Workload& workload, const Machine& machine);

}  // namespace lathe::estimator
