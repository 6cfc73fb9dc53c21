#pragma once
// Which examples a step trains on: a pure function of the seed and the step, so that a resumed run
// needs no sampler state. Each epoch visits every example once, in an order of its own.

#include <cstdint>
#include <vector>

namespace lathe::trainer::loop {

struct SamplerSettings {
  std::int64_t examples = 0;
  std::int64_t batch_size = 1;
  std::int64_t gradient_accumulation = 1;
  bool shuffle = true;
  std::uint64_t seed = 42;
};

class Sampler {
 public:
  explicit Sampler(const SamplerSettings& settings) : settings_(settings) {}

  /// The last step of an epoch may be smaller than the others.
  std::int64_t StepsPerEpoch() const;
  /// The micro-batches of a step (counted from 0), as indices of examples.
  std::vector<std::vector<std::size_t>> MicroBatches(std::int64_t step);

 private:
  const std::vector<std::size_t>& Order(std::int64_t epoch);

  SamplerSettings settings_;
  std::int64_t order_epoch_ = -1;
  std::vector<std::size_t> order_;  ///< of order_epoch_
};

}  // namespace lathe::trainer::loop
