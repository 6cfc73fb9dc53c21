#pragma once
// The next token from logits. Pure.

#include <cstdint>
#include <span>

#include "common/base/random.h"

namespace lathe::trainer::inference {

/// What is drawn from, narrowed in this order, as transformers does: temperature, top_k, top_p.
struct SamplingSettings {
  double temperature = 0;         ///< 0: always the likeliest token
  std::int64_t top_k = 0;         ///< only so many of the likeliest tokens; 0: all
  double top_p = 1;               ///< only the likeliest tokens that together have this probability
  double repetition_penalty = 1;  ///< see PenalizeRepetition
};

/// Makes each token of `seen`, however often it is there, less likely: its logit is divided by the
/// penalty (> 0) where it is positive, else multiplied with it (CTRL, arXiv 1909.05858, section
/// 4.1). 1 changes nothing, less than 1 makes repetition likelier. Ids are below logits.size().
void PenalizeRepetition(std::span<float> logits, std::span<const std::int64_t> seen,
                        double penalty);

/// An index into logits, which must not be empty and have no NaN. The penalty is not applied here.
/// Of equal logits the one with the smaller index counts as likelier.
std::int64_t Sample(std::span<const float> logits, const SamplingSettings& settings,
                    Random& random);

}  // namespace lathe::trainer::inference
