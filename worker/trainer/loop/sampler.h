#pragma once
// Which examples a step trains on: a pure function of the seed and the step, so that a resumed run
// needs no sampler state. Each epoch visits every example once, in an order of its own.

#include <cstdint>
#include <vector>

#include "worker/trainer/loop/packing.h"
#include "worker/trainer/plan/parameter_defaults.h"

namespace lathe::trainer::loop {

/// How examples share micro-batches.
enum class Grouping : std::uint8_t {
  kInOrder,   ///< batch_size examples each, as they come
  kBalanced,  ///< those of a step dealt out so that its micro-batches have equal numbers of tokens
  kPacked,    ///< as many examples as fit in token_budget
};

struct SamplerSettings {
  std::int64_t examples = 0;
  std::int64_t batch_size = 1;  ///< examples in a micro-batch; has no part in kPacked
  std::int64_t gradient_accumulation = 1;
  bool shuffle = true;
  std::uint64_t seed = plan::DefaultInteger("seed");
  Grouping grouping = Grouping::kInOrder;
  std::vector<std::int64_t> lengths = {};  ///< tokens of each example; kInOrder needs none
  std::int64_t token_budget = 0;           ///< of a micro-batch in kPacked
};

class Sampler {
 public:
  explicit Sampler(SamplerSettings settings) : settings_(std::move(settings)) {}

  /// Steps in the first `epochs` epochs. The last step of an epoch may be smaller than the others,
  /// and with packing one epoch may take a step more than another.
  std::int64_t StepsIn(std::int64_t epochs);
  /// The micro-batches of a step (counted from 0), as indices of examples.
  std::vector<MicroBatch> MicroBatches(std::int64_t step);
  /// How many epochs `done` steps are: 1.5 in the middle of the second.
  double EpochsAt(std::int64_t done);

 private:
  struct Place {
    std::int64_t epoch = 0;
    std::int64_t step = 0;  ///< within the epoch
  };
  Place Locate(std::int64_t step);
  std::int64_t StepsInEpoch(std::int64_t epoch);
  const std::vector<MicroBatch>& Epoch(std::int64_t epoch);
  std::vector<std::size_t> Order(std::int64_t epoch) const;

  SamplerSettings settings_;
  std::vector<std::int64_t> first_steps_ = {0};  ///< of the epochs that have been counted
  std::int64_t made_epoch_ = -1;
  std::vector<MicroBatch> made_;  ///< the micro-batches of made_epoch_
};

}  // namespace lathe::trainer::loop
