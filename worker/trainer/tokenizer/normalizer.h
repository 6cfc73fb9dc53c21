#pragma once
// What is done to text before it is cut into words (Unicode normal forms, SentencePiece's marked
// spaces), with the way back: each byte of the new text knows the byte of the original that it came
// from. Immutable, thread-safe.

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/tokenizer/regex.h"

namespace lathe::trainer::tokenizer {

enum class NormalForm : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };
/// Puts `content` before a text that is not empty.
struct Prepend {
  std::string content;
};
/// Every match becomes `content`.
struct Replace {
  Regex pattern;
  std::string content;
};
using NormalizerStep = std::variant<NormalForm, Prepend, Replace>;

struct Normalized {
  std::string text;
  /// Byte i of `text` came from byte origin[i]; text.size() + 1 entries, the last is the original's
  /// size. Empty when the text is unchanged.
  std::vector<std::size_t> origin;

  std::size_t OriginOf(std::size_t at) const { return origin.empty() ? at : origin[at]; }
};

/// Applies the steps in order; without any the text stays as it is. `text` is valid UTF-8.
Result<Normalized> Normalize(const std::vector<NormalizerStep>& steps, std::string_view text);

}  // namespace lathe::trainer::tokenizer
