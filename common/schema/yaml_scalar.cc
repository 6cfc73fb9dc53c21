#include "common/schema/yaml_scalar_internal.h"

#include <charconv>
#include <optional>
#include <string_view>

namespace lathe::schema {
namespace {

/// Longer plain text is no number we could hold.
constexpr std::size_t kLongestNumber = 64;

/// Removes the decimal digits at the front and says how many there were.
std::size_t SkipDigits(std::string_view& text) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    ++digits;
  }
  text.remove_prefix(digits);
  return digits;
}

bool Skip(std::string_view& text, std::string_view any_of) {
  const bool found = !text.empty() && any_of.find(text[0]) != std::string_view::npos;
  text.remove_prefix(found ? 1 : 0);
  return found;
}

/// [-+]?[0-9]+
bool IsDecimal(std::string_view text) {
  Skip(text, "-+");
  return SkipDigits(text) > 0 && text.empty();
}

/// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool IsReal(std::string_view text) {
  Skip(text, "-+");
  const std::size_t whole = SkipDigits(text);
  const std::size_t fraction = Skip(text, ".") ? SkipDigits(text) : 0;
  if (whole + fraction == 0) {
    return false;
  }
  if (Skip(text, "eE")) {
    Skip(text, "-+");
    return SkipDigits(text) > 0 && text.empty();
  }
  return text.empty();
}

/// The whole text as a number, or nothing when it is none or does not fit.
template <class Number, class... Base>
std::optional<Number> NumberFrom(std::string_view text, Base... base) {
  Number number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number, base...);
  return result.ec == std::errc() && result.ptr == end ? std::optional<Number>(number)
                                                       : std::nullopt;
}

Tree Number(const std::string& text) {
  const std::string_view unsigned_text = std::string_view(text).substr(text[0] == '+' ? 1 : 0);
  if (IsDecimal(text)) {
    if (const auto whole = NumberFrom<std::int64_t>(unsigned_text)) {
      return *whole;
    }
  }
  const std::string prefix = text.substr(0, 2);
  if ((prefix == "0x" || prefix == "0o") && text.size() > 2 && text[2] != '-') {
    if (const auto whole = NumberFrom<std::int64_t>(text.substr(2), prefix == "0x" ? 16 : 8)) {
      return *whole;
    }
  }
  if (IsReal(text)) {
    if (const auto real = NumberFrom<double>(unsigned_text)) {
      return *real;
    }
  }
  return text;
}

}  // namespace

bool IsNullScalar(std::string_view text) {
  return text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL";
}

Tree PlainScalar(const std::string& text) {
  if (IsNullScalar(text)) {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  return text.size() > kLongestNumber ? Tree(text) : Number(text);
}

}  // namespace lathe::schema
