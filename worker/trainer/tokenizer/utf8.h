#pragma once
// UTF-8 as bytes: validation, characters, and the replacement of what is invalid. Pure functions.

#include <cstddef>
#include <string>
#include <string_view>

namespace lathe::trainer::tokenizer {

/// Strict: no surrogates, no overlong forms, nothing above U+10FFFF.
bool IsValidUtf8(std::string_view text);

/// Bytes of the character that begins at `at`; 1 where the text is not valid there.
std::size_t CharacterLength(std::string_view text, std::size_t at);

/// Length of the longest prefix that does not end in the middle of a character. What follows it (at
/// most 3 bytes) may become valid when more bytes come.
std::size_t CompletePrefix(std::string_view bytes);

/// Each maximal invalid part becomes one U+FFFD (Unicode 15, section 3.9, table 3-8).
std::string ReplaceInvalid(std::string_view bytes);

}  // namespace lathe::trainer::tokenizer
