#pragma once
// The keys that secrets are encrypted with at rest, from a file that only its owner can read:
//
//   # id  256-bit key in hexadecimal
//   k2    9f86d081...
//   k1    2c26b46b...
//
// The first key seals; all of them open what they sealed, so a key is rotated by adding one on top.
// Values; thread-safe to read. Keys are wiped from memory when the keyring ends.

#include <array>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace lathe::secrets {

inline constexpr std::size_t kKeyBytes = 32;

struct Key {
  std::string id;  ///< 1 to 32 of a-z, 0-9, - and _
  std::array<unsigned char, kKeyBytes> bytes{};

  Key() = default;
  Key(const Key&) = default;
  Key& operator=(const Key&) = default;
  ~Key();
};

class Keyring {
 public:
  /// At least one key, ids unique. kInvalidArgument names the line, never what stands in it.
  static Result<Keyring> Parse(std::string_view text);
  /// The keys of a file. kFailedPrecondition when others than its owner may read or write it;
  /// kNotFound, kPermissionDenied; otherwise as Parse. Every error names the file.
  static Result<Keyring> Read(const std::filesystem::path& file);

  /// The key that seals.
  const Key& first() const { return keys_.front(); }
  /// Null when there is none of this id.
  const Key* Find(std::string_view id) const;

 private:
  explicit Keyring(std::vector<Key> keys) : keys_(std::move(keys)) {}
  std::vector<Key> keys_;
};

/// The text of a file that only its owner may read or write, at most 64 KiB: kFailedPrecondition
/// when others may; kNotFound, kPermissionDenied. Every error names the file.
Result<std::string> ReadPrivateFile(const std::filesystem::path& file);

/// Makes a file of mode 0600 with one random key unless the file exists. The file is whole or
/// absent after a crash.
Status CreateKeyFileIfAbsent(const std::filesystem::path& file);

}  // namespace lathe::secrets
