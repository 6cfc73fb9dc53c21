#pragma once
// How positions become angles, as a plain value: the base frequencies and how they are stretched
// for sequences that are longer than those of the first training.

#include <cstdint>
#include <variant>
#include <vector>

namespace lathe::trainer::model {

/// Positions are divided by the factor (https://arxiv.org/abs/2306.15595).
struct LinearRopeScaling {
  double factor = 1;
};

/// Llama 3's stretching of low frequencies (https://arxiv.org/abs/2407.21783, section 3.2).
struct Llama3RopeScaling {
  double factor = 8;
  double low_frequency_factor = 1;
  double high_frequency_factor = 4;
  double original_context = 8192;
};

/// The base grows with the length of a sequence that is longer than the context.
struct DynamicRopeScaling {
  double factor = 1;
  double context = 2048;
};

/// YaRN (https://arxiv.org/abs/2309.00071): frequencies that turn less than beta_slow times within
/// the original context are divided by the factor, those that turn more than beta_fast times stay.
struct YarnRopeScaling {
  double factor = 1;
  double original_context = 2048;
  double beta_fast = 32;
  double beta_slow = 1;
  bool truncate = true;  ///< bounds are rounded to whole dimensions
};

/// LongRoPE (https://arxiv.org/abs/2402.13753): a divisor for each frequency, one set for sequences
/// up to the original context, the other for longer ones.
struct LongRopeScaling {
  std::vector<float> short_divisors;  ///< [dimensions / 2]
  std::vector<float> long_divisors;   ///< likewise
  std::int64_t original_context = 4096;
};

/// A divisor for each frequency.
struct FixedRopeScaling {
  std::vector<float> divisors;  ///< [dimensions / 2]
};

using RopeScaling =
    std::variant<std::monostate, LinearRopeScaling, Llama3RopeScaling, DynamicRopeScaling,
                 YarnRopeScaling, LongRopeScaling, FixedRopeScaling>;

struct RopeDescription {
  double theta = 10000;
  std::int64_t dimensions = 0;  ///< the first ones of each head turn, even; the rest stays
  RopeScaling scaling;
  double attention_factor = 1;  ///< what turns is multiplied by it
};

}  // namespace lathe::trainer::model
