#pragma once
// Strings as Python writes them. Private to this room; pure.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace lathe::trainer::scoring {

struct PythonString {
  std::string value;    ///< UTF-8 where the text is
  std::size_t end = 0;  ///< behind the closing quote
};

/// The string that a text begins with: its first character is the quote. nullopt when it does not
/// end on its line, or escapes what is no character. Two escaped halves of a surrogate pair are
/// one character, as in JSON.
std::optional<PythonString> ReadPythonString(std::string_view text);

}  // namespace lathe::trainer::scoring
