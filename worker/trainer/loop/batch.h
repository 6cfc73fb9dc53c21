#pragma once
// Token lists into the tensors of a micro-batch, without padding.

#include <cstdint>
#include <span>
#include <vector>

#include "worker/trainer/data/example.h"
#include "worker/trainer/model/decoder.h"
#include "worker/trainer/objectives/target_losses.h"

namespace lathe::trainer::loop {

using data::Example;

struct Batch {
  model::MicroBatch inputs;
  objectives::Targets targets;
  std::vector<double> reference;  ///< the examples' reference log-probabilities
};

Batch MakeBatch(const std::vector<Example>& examples, std::span<const std::size_t> indices,
                const at::Device& device);

}  // namespace lathe::trainer::loop
