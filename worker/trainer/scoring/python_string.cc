#include "worker/trainer/scoring/python_string.h"

#include <charconv>
#include <cstdint>

namespace lathe::trainer::scoring {
namespace {

/// Takes a number of that many digits, or up to so many octal ones, from the front.
std::optional<std::uint32_t> TakeNumber(std::string_view& text, std::size_t most, int base) {
  std::uint32_t number = 0;
  const std::string_view digits = text.substr(0, most);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
  const auto count = static_cast<std::size_t>(end - digits.data());
  if (error != std::errc() || (base == 16 && count != most)) return std::nullopt;
  text.remove_prefix(count);
  return number;
}

bool IsHighHalf(std::uint32_t code) {
  return code >= 0xD800 && code < 0xDC00;
}

bool AppendUtf8(std::uint32_t code, std::string& out) {
  if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
  const auto add = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    add(code);
    return true;
  }
  const int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  constexpr std::uint32_t kFirst[] = {0, 0xC0, 0xE0, 0xF0};
  add(kFirst[more] | (code >> (6 * more)));
  for (int i = more - 1; i >= 0; --i) add(0x80 | ((code >> (6 * i)) & 0x3F));
  return true;
}

/// Takes what follows a backslash and a letter that announces a number.
bool TakeCode(char letter, std::string_view& text, std::string& out) {
  const std::size_t digits = letter == 'x' ? 2 : letter == 'u' ? 4 : 8;
  auto code = TakeNumber(text, digits, 16);
  if (!code) return false;
  if (IsHighHalf(*code) && text.starts_with("\\u")) {
    text.remove_prefix(2);
    const auto low = TakeNumber(text, 4, 16);
    if (!low || *low < 0xDC00 || *low > 0xDFFF) return false;
    code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
  }
  return AppendUtf8(*code, out);
}

/// Takes what follows a backslash.
bool TakeEscape(std::string_view& text, std::string& out) {
  if (text.empty()) return false;
  constexpr std::string_view kLetters = "abfnrtv\\'\"";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\'\"";
  const char letter = text[0];
  if (letter >= '0' && letter <= '7') return AppendUtf8(*TakeNumber(text, 3, 8), out);
  text.remove_prefix(1);
  if (letter == '\n') return true;
  if (letter == 'x' || letter == 'u' || letter == 'U') return TakeCode(letter, text, out);
  if (letter == 'N') return false;
  const std::size_t known = kLetters.find(letter);
  if (known == std::string_view::npos) out += '\\';  // It is no escape then.
  out += known == std::string_view::npos ? letter : kMeanings[known];
  return true;
}

}  // namespace

std::optional<PythonString> ReadPythonString(std::string_view text) {
  PythonString string;
  const char quote = text[0];
  std::string_view rest = text.substr(1);
  while (!rest.empty() && rest[0] != quote && rest[0] != '\n' && rest[0] != '\r') {
    const char c = rest[0];
    rest.remove_prefix(1);
    if (c != '\\') {
      string.value += c;
    } else if (!TakeEscape(rest, string.value)) {
      return std::nullopt;
    }
  }
  if (rest.empty() || rest[0] != quote) return std::nullopt;
  string.end = text.size() - rest.size() + 1;
  return string;
}

}  // namespace lathe::trainer::scoring
