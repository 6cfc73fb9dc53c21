#pragma once
// AES-256-GCM by OpenSSL (NIST SP 800-38D), and a keyed hash. Pure but for random bytes.

#include <optional>
#include <string>
#include <string_view>

#include "common/secrets/keyring.h"

namespace lathe::secrets {

/// Nonce (12 bytes, random), ciphertext, tag (16 bytes), as base64.
std::string Encrypt(const Key& key, std::string_view plain, std::string_view associated);

/// Nothing when the text was not made by Encrypt with the same key and associated data.
std::optional<std::string> Decrypt(const Key& key, std::string_view base64,
                                   std::string_view associated);

/// HMAC-SHA-256 in hexadecimal.
std::string KeyedHash(const Key& key, std::string_view text);

}  // namespace lathe::secrets
