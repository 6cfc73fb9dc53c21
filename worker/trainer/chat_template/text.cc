#include "worker/trainer/chat_template/text.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>

namespace lathe::trainer::chat_template {
namespace {

std::size_t LengthAt(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  return end - at;
}

utf8proc_int32_t CodeOf(std::string_view character) {
  utf8proc_int32_t code = -1;
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(character.data()),
                   static_cast<utf8proc_ssize_t>(character.size()), &code);
  return code;
}

/// str.isspace() of Python.
bool IsSpace(std::string_view character) {
  const utf8proc_int32_t code = CodeOf(character);
  if (code < 0x80) return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20);
  return code == 0x85 || code == 0xA0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200A) ||
         code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

bool IsLetter(utf8proc_int32_t code) {
  const utf8proc_category_t category = utf8proc_category(code);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

std::string_view LastCharacter(std::string_view text) {
  std::size_t begin = text.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return text.substr(begin);
}

template <class Drops>
std::string_view Strip(std::string_view text, Side side, Drops drops) {
  while (side != Side::kRight && !text.empty()) {
    const std::size_t length = LengthAt(text, 0);
    if (!drops(text.substr(0, length))) break;
    text.remove_prefix(length);
  }
  while (side != Side::kLeft && !text.empty()) {
    const std::string_view last = LastCharacter(text);
    if (!drops(last)) break;
    text.remove_suffix(last.size());
  }
  return text;
}

void AppendCode(utf8proc_int32_t code, std::string& out) {
  std::array<utf8proc_uint8_t, 4> bytes{};
  const utf8proc_ssize_t size = utf8proc_encode_char(code, bytes.data());
  out.append(reinterpret_cast<const char*>(bytes.data()), static_cast<std::size_t>(size));
}

}  // namespace

std::vector<std::string_view> Characters(std::string_view text) {
  std::vector<std::string_view> characters;
  for (std::size_t at = 0; at < text.size();) {
    characters.push_back(text.substr(at, LengthAt(text, at)));
    at += characters.back().size();
  }
  return characters;
}

std::int64_t CharacterCount(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

std::string_view StripSpace(std::string_view text, Side side) {
  return Strip(text, side, IsSpace);
}

std::string_view StripCharacters(std::string_view text, std::string_view characters, Side side) {
  const auto set = Characters(characters);
  return Strip(text, side, [&](std::string_view character) {
    return std::find(set.begin(), set.end(), character) != set.end();
  });
}

std::vector<std::string_view> SplitSpace(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = LengthAt(text, at);
    if (IsSpace(text.substr(at, length))) {
      if (at > begin) parts.push_back(text.substr(begin, at - begin));
      begin = at + length;
    }
    at += length;
  }
  if (begin < text.size()) parts.push_back(text.substr(begin));
  return parts;
}

std::vector<std::string_view> SplitBy(std::string_view text, std::string_view separator,
                                      std::int64_t limit) {
  std::vector<std::string_view> parts;
  while (limit < 0 || static_cast<std::int64_t>(parts.size()) < limit) {
    const std::size_t found = text.find(separator);
    if (found == std::string_view::npos) break;
    parts.push_back(text.substr(0, found));
    text.remove_prefix(found + separator.size());
  }
  parts.push_back(text);
  return parts;
}

std::string WithCase(std::string_view text, Case letter_case) {
  std::string out;
  bool begins = true;  // of a word for kTitle, of the text for kCapitalized
  for (const std::string_view character : Characters(text)) {
    const utf8proc_int32_t code = CodeOf(character);
    if (code < 0) {
      out += character;
      continue;
    }
    const bool upper = letter_case == Case::kUpper || (letter_case != Case::kLower && begins);
    AppendCode(upper ? utf8proc_toupper(code) : utf8proc_tolower(code), out);
    begins = letter_case == Case::kTitle && !IsLetter(code);
  }
  return out;
}

}  // namespace lathe::trainer::chat_template
