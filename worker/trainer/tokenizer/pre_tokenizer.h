#pragma once
// Cuts text into words, inside which BPE merges. A chain of splits by pattern: byte-level,
// digits and regex splits of tokenizer files are all of this kind. Immutable, thread-safe.

#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/tokenizer/regex.h"

namespace lathe::trainer::tokenizer {

/// What becomes of a match of the pattern.
enum class SplitBehavior : std::uint8_t {
  kRemoved,             ///< dropped
  kIsolated,            ///< a word of its own
  kMergedWithPrevious,  ///< ends the word before it
  kMergedWithNext,      ///< begins the word after it
  kContiguous,          ///< a word together with matches that touch it
};

struct SplitStep {
  Regex pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  ///< matches and the text between them change roles
};

/// GPT-2's word pattern, which ByteLevel implies.
extern const std::string_view kGpt2Pattern;

struct PreTokenizer {
  bool add_prefix_space = false;  ///< text that does not begin with a space gets one
  std::vector<SplitStep> steps;

  /// Words of `text` (valid UTF-8; the prefix space, if any, already added), none of them empty.
  Result<std::vector<ByteRange>> Split(std::string_view text) const;
};

}  // namespace lathe::trainer::tokenizer
