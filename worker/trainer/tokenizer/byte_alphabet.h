#pragma once
// The printable alphabet in which byte-level vocabularies are written (Radford et al. 2019, GPT-2):
// each of the 256 bytes has one character; printable Latin-1 stands for itself, the others follow
// from U+0100 on, so that a space is "Ġ".

#include <optional>
#include <string>
#include <string_view>

namespace lathe::trainer::tokenizer {

/// The bytes that a vocabulary entry stands for; nullopt when a character is not in the alphabet.
std::optional<std::string> BytesOfToken(std::string_view token);

}  // namespace lathe::trainer::tokenizer
