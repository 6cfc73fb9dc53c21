#pragma once
// Python's string functions over UTF-8: positions count characters, white space and letter case are
// Unicode's. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::trainer::chat_template {

/// The characters of a text, each as its bytes.
std::vector<std::string_view> Characters(std::string_view text);
std::int64_t CharacterCount(std::string_view text);

enum class Side : std::uint8_t { kBoth, kLeft, kRight };
/// strip(), lstrip(), rstrip() without an argument.
std::string_view StripSpace(std::string_view text, Side side);
/// With one: any of its characters goes.
std::string_view StripCharacters(std::string_view text, std::string_view characters, Side side);

/// split() without a separator.
std::vector<std::string_view> SplitSpace(std::string_view text);
/// split(separator, limit); limit < 0: no limit. The separator is not empty.
std::vector<std::string_view> SplitBy(std::string_view text, std::string_view separator,
                                      std::int64_t limit);

enum class Case : std::uint8_t { kUpper, kLower, kTitle, kCapitalized };
std::string WithCase(std::string_view text, Case letter_case);

}  // namespace lathe::trainer::chat_template
