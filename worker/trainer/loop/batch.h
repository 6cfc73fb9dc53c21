#pragma once
// Token lists into the tensors of a micro-batch, without padding.

#include <cstdint>
#include <span>
#include <vector>

#include "worker/trainer/model/decoder.h"
#include "worker/trainer/objectives/supervised.h"

namespace lathe::trainer::loop {

/// No loss is taken where a label has this value.
inline constexpr std::int64_t kIgnoredLabel = -100;

struct Example {
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> labels;  ///< as long as tokens; labels[t] is predicted from tokens < t
};

struct Batch {
  model::MicroBatch inputs;
  objectives::Targets targets;
};

/// Labels that are predicted: position 0 never is.
std::int64_t CountTargets(const Example& example);

Batch MakeBatch(const std::vector<Example>& examples, std::span<const std::size_t> indices,
                const at::Device& device);

}  // namespace lathe::trainer::loop
