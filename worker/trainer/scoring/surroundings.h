#pragma once
// What stands around something in text. Private to this room; pure functions.

#include <optional>
#include <string>
#include <string_view>

namespace lathe::trainer::scoring {

/// Without white space at its ends.
std::string_view Trim(std::string_view text);

/// What is in front of a call and behind it, in one rendering.
struct Around {
  std::string_view before;
  std::string_view after;
};

/// What belongs to a call of it: with the text between two calls, where there are two, what both
/// have in common; else the line that it stands on. Trimmed.
struct Marks {
  std::string before;
  std::string after;
};
Marks MarksOf(const Around& one, const std::optional<std::string_view>& between_two);

}  // namespace lathe::trainer::scoring
