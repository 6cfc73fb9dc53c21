#pragma once
// The next token from logits. Pure.

#include <cstdint>
#include <span>

#include "common/base/random.h"

namespace lathe::trainer::inference {

struct SamplingSettings {
  double temperature = 0;  ///< 0: always the likeliest token
  double top_p = 1;        ///< only the likeliest tokens that together have this probability
};

/// An index into logits, which must not be empty.
std::int64_t Sample(std::span<const float> logits, const SamplingSettings& settings,
                    Random& random);

}  // namespace lathe::trainer::inference
