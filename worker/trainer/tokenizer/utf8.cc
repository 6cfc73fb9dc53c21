#include "worker/trainer/tokenizer/utf8.h"

#include <algorithm>
#include <cstdint>

namespace lathe::trainer::tokenizer {
namespace {

std::uint8_t At(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

/// Length that a lead byte announces; 0 for a byte that cannot lead.
std::size_t Announced(std::uint8_t lead) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) return 3;
  return lead < 0xF5 ? 4 : 0;
}

/// The second byte has a narrower range after some leads: no overlong forms, no surrogates.
bool SecondIsGood(std::uint8_t lead, std::uint8_t second) {
  switch (lead) {
    case 0xE0:
      return second >= 0xA0 && second <= 0xBF;
    case 0xED:
      return second >= 0x80 && second <= 0x9F;
    case 0xF0:
      return second >= 0x90 && second <= 0xBF;
    case 0xF4:
      return second >= 0x80 && second <= 0x8F;
    default:
      return second >= 0x80 && second <= 0xBF;
  }
}

struct Part {
  std::size_t length;  ///< of the character, or of the maximal invalid part
  bool complete;       ///< a whole character
  bool open;           ///< it is a good beginning that the end of the text cuts off
};

Part PartAt(std::string_view text, std::size_t at) {
  const std::uint8_t lead = At(text, at);
  const std::size_t announced = Announced(lead);
  if (announced == 0) return {1, false, false};
  for (std::size_t i = 1; i < announced; ++i) {
    if (at + i == text.size()) return {i, false, true};
    const std::uint8_t next = At(text, at + i);
    const bool good = i == 1 ? SecondIsGood(lead, next) : (next & 0xC0) == 0x80;
    if (!good) return {i, false, false};
  }
  return {announced, true, false};
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (At(text, at) < 0x80) {
      ++at;
      continue;
    }
    const Part part = PartAt(text, at);
    if (!part.complete) return false;
    at += part.length;
  }
  return true;
}

std::size_t CharacterLength(std::string_view text, std::size_t at) {
  const Part part = PartAt(text, at);
  return part.complete ? part.length : 1;
}

std::size_t CompletePrefix(std::string_view bytes) {
  const std::size_t first = bytes.size() - std::min<std::size_t>(bytes.size(), 3);
  for (std::size_t at = first; at < bytes.size(); ++at) {
    if (Announced(At(bytes, at)) > 1 && PartAt(bytes, at).open) return at;
  }
  return bytes.size();
}

std::string ReplaceInvalid(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const Part part = PartAt(bytes, at);
    if (part.complete) {
      text += bytes.substr(at, part.length);
    } else {
      text += "\xEF\xBF\xBD";
    }
    at += part.length;
  }
  return text;
}

}  // namespace lathe::trainer::tokenizer
