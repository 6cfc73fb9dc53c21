#include "coordinator/resources/page_token.h"

#include "common/artifacts/sha256.h"

namespace lathe::resources {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::size_t kMarkDigits = 16;

std::string Mark(std::string_view position, std::string_view question) {
  artifacts::Sha256 hash;
  hash.Update(question);
  hash.Update(std::string_view("\0", 1));
  hash.Update(position);
  return hash.Finish().substr(0, kMarkDigits);
}

}  // namespace

std::string MakePageToken(std::string_view position, std::string_view question) {
  std::string token = Mark(position, question);
  for (const char c : position) {
    const auto byte = static_cast<unsigned char>(c);
    token += kDigits[byte >> 4U];
    token += kDigits[byte & 15U];
  }
  return token;
}

std::optional<std::string> ReadPageToken(std::string_view token, std::string_view question) {
  if (token.size() <= kMarkDigits || token.size() % 2 != 0) return std::nullopt;
  std::string position;
  for (std::size_t i = kMarkDigits; i < token.size(); i += 2) {
    const std::size_t high = kDigits.find(token[i]);
    const std::size_t low = kDigits.find(token[i + 1]);
    if (high == kDigits.npos || low == kDigits.npos) return std::nullopt;
    position += static_cast<char>(high * 16 + low);
  }
  if (token.substr(0, kMarkDigits) != Mark(position, question)) return std::nullopt;
  return position;
}

}  // namespace lathe::resources
