#pragma once
// What is trained on: tokens and what is to be predicted at each of them.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lathe::trainer::data {

/// No loss is taken where a label has this value.
inline constexpr std::int64_t kIgnoredLabel = -100;

/// Tokens from `begin` up to, but not with, `end`.
struct TokenRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

struct Example {
  std::vector<std::int64_t> tokens;
  std::vector<std::int64_t> labels;  ///< as long as tokens; labels[t] is predicted from tokens < t
  /// What is said in answer to the tokens before it, whole; empty where nobody can tell.
  std::vector<TokenRange> answers = {};
  double reference = 0;  ///< log-probability of the targets under a frozen reference, where needed
};

/// Two answers to one prompt; the targets are the answers' tokens.
struct Pair {
  Example chosen;
  Example rejected;
};

/// Labels that are predicted: position 0 never is.
inline std::int64_t CountTargets(const Example& example) {
  std::int64_t count = 0;
  for (std::size_t i = 1; i < example.labels.size(); ++i) {
    count += example.labels[i] != kIgnoredLabel ? 1 : 0;
  }
  return count;
}

}  // namespace lathe::trainer::data
