#pragma once
// Unicode normalisation of text before it is cut into words, with the way back: each byte of the
// normalised text knows the byte of the original that it came from. Immutable, thread-safe.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace lathe::trainer::tokenizer {

enum class NormalForm : std::uint8_t { kNfc, kNfd, kNfkc, kNfkd };

struct Normalized {
  std::string text;
  /// Byte i of `text` came from byte origin[i]; text.size() + 1 entries, the last is the original's
  /// size. Empty when the text is unchanged.
  std::vector<std::size_t> origin;

  std::size_t OriginOf(std::size_t at) const { return origin.empty() ? at : origin[at]; }
};

/// Applies the forms in order; none of them leaves the text as it is. `text` is valid UTF-8.
Result<Normalized> Normalize(const std::vector<NormalForm>& forms, std::string_view text);

}  // namespace lathe::trainer::tokenizer
