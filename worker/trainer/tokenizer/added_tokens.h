#pragma once
// Tokens that are cut out of the text before anything else: control tokens such as <|im_end|> and
// whatever was added to a vocabulary later. Leftmost match first, the longest of those that begin
// there. Immutable, thread-safe.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "worker/trainer/tokenizer/regex.h"

namespace lathe::trainer::tokenizer {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool special = false;      ///< left out of decoded text on request
  bool normalized = false;   ///< looked for in the normalised text instead of the raw one
  bool lstrip = false;       ///< takes the white space before it along
  bool rstrip = false;       ///< takes the white space after it along
  bool single_word = false;  ///< matches only between characters that are not part of a word
};

/// A part of the text: ordinary text (no id), or an added token.
struct Section {
  ByteRange range;
  std::optional<std::int32_t> id;
};

class AddedTokenSplitter {
 public:
  /// Empty contents never match.
  static Result<AddedTokenSplitter> Create(std::vector<AddedToken> tokens);
  /// Sections that cover the text in order; none is empty. `text` is valid UTF-8.
  Result<std::vector<Section>> Split(std::string_view text) const;

 private:
  AddedTokenSplitter(std::vector<AddedToken> tokens, Regex word, Regex space);
  const AddedToken* MatchAt(std::string_view text, std::size_t at) const;
  bool StandsAlone(std::string_view text, ByteRange range) const;

  std::vector<AddedToken> tokens_;                           ///< longest first
  std::array<std::vector<std::size_t>, 256> by_first_byte_;  ///< indices into tokens_
  Regex word_at_edge_;
  Regex space_at_edge_;
};

}  // namespace lathe::trainer::tokenizer
