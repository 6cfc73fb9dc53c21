#include "worker/trainer/tokenizer/byte_alphabet.h"

#include <array>
#include <cstdint>

namespace lathe::trainer::tokenizer {
namespace {

constexpr int kCharacters = 0x100 + 68;  ///< 68 bytes are not printable

constexpr bool StandsForItself(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/// Byte of each character, -1 for the characters that are not in the alphabet.
constexpr std::array<std::int16_t, kCharacters> MakeTable() {
  std::array<std::int16_t, kCharacters> table{};
  table.fill(-1);
  int next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const int character = StandsForItself(byte) ? byte : next++;
    table[static_cast<std::size_t>(character)] = static_cast<std::int16_t>(byte);
  }
  return table;
}
constexpr auto kByteOf = MakeTable();

}  // namespace

std::optional<std::string> BytesOfToken(std::string_view token) {
  std::string bytes;
  bytes.reserve(token.size());
  for (std::size_t i = 0; i < token.size(); ++i) {
    unsigned character = static_cast<std::uint8_t>(token[i]);
    if (character >= 0x80) {  // The alphabet ends at U+0143: two bytes of UTF-8 at most.
      if (character < 0xC2 || character > 0xC5 || i + 1 == token.size()) return std::nullopt;
      character = (character & 0x1FU) << 6 | (static_cast<std::uint8_t>(token[++i]) & 0x3FU);
    }
    if (character >= kByteOf.size() || kByteOf[character] < 0) return std::nullopt;
    bytes += static_cast<char>(kByteOf[character]);
  }
  return bytes;
}

}  // namespace lathe::trainer::tokenizer
