#pragma once
// Cuts text into words, inside which BPE merges. A chain of splits by pattern: byte-level,
// digits and regex splits of tokenizer files are all of this kind. Immutable, thread-safe.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/tokenizer/normalizer.h"
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

/// SentencePiece's mark for spaces, written before words.
struct Metaspace {
  enum class Prefix : std::uint8_t { kNever, kAlways, kFirst };
  std::string mark = "\xE2\x96\x81";  ///< U+2581; takes the place of every space
  /// Whether text that does not begin with a mark gets one; kFirst: at the very beginning only.
  Prefix prefix = Prefix::kAlways;
};

struct PreTokenizer {
  bool add_prefix_space = false;  ///< text that does not begin with a space gets one
  std::optional<Metaspace> metaspace;
  std::vector<SplitStep> steps;

  /// The text that Split cuts: with the prefix space or with marked spaces. `at_start`: nothing
  /// stands before the text.
  Result<Normalized> Mark(std::string_view text, bool at_start) const;
  /// Words of a text that Mark returned (valid UTF-8), none of them empty.
  Result<std::vector<ByteRange>> Split(std::string_view text) const;
};

}  // namespace lathe::trainer::tokenizer
