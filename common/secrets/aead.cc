#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>
#include <memory>

#include "common/base/check.h"
#include "common/secrets/aead_internal.h"

namespace lathe::secrets {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

CipherContext MakeContext() {
  CipherContext context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  LATHE_CHECK(context != nullptr, "out of memory");
  return context;
}

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* Bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

std::string ToBase64(std::string_view bytes) {
  // EVP_EncodeBlock also writes a terminating zero.
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(Bytes(text), Bytes(bytes), static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::optional<std::string> FromBase64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(Bytes(bytes), Bytes(text), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  // EVP_DecodeBlock counts the bytes that padding stands for.
  const std::size_t padding = text.ends_with("==") ? 2 : (text.ends_with("=") ? 1 : 0);
  bytes.resize(static_cast<std::size_t>(size) - padding);
  // The bits of the last character that stand for nothing must be zero: one text for one value.
  if (ToBase64(bytes) != text) return std::nullopt;
  return bytes;
}

}  // namespace

std::string Encrypt(const Key& key, std::string_view plain, std::string_view associated) {
  std::string sealed(kNonceBytes + plain.size() + kTagBytes, '\0');
  unsigned char* nonce = Bytes(sealed);
  unsigned char* cipher = nonce + kNonceBytes;
  LATHE_CHECK(RAND_bytes(nonce, kNonceBytes) == 1, "the system gives no random bytes");
  const CipherContext context = MakeContext();
  int size = 0;
  const bool done =
      EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes.data(), nonce) == 1 &&
      EVP_EncryptUpdate(context.get(), nullptr, &size, Bytes(associated),
                        static_cast<int>(associated.size())) == 1 &&
      EVP_EncryptUpdate(context.get(), cipher, &size, Bytes(plain),
                        static_cast<int>(plain.size())) == 1 &&
      EVP_EncryptFinal_ex(context.get(), cipher + size, &size) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, cipher + plain.size()) ==
          1;
  LATHE_CHECK(done, "AES-256-GCM does not work");
  return ToBase64(sealed);
}

std::optional<std::string> Decrypt(const Key& key, std::string_view base64,
                                   std::string_view associated) {
  std::optional<std::string> sealed = FromBase64(base64);
  if (!sealed || sealed->size() < kNonceBytes + kTagBytes) return std::nullopt;
  const std::size_t length = sealed->size() - kNonceBytes - kTagBytes;
  unsigned char* nonce = Bytes(*sealed);
  unsigned char* cipher = nonce + kNonceBytes;
  std::string plain(length + 1, '\0');
  const CipherContext context = MakeContext();
  int size = 0;
  const bool authentic =
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.bytes.data(), nonce) == 1 &&
      EVP_DecryptUpdate(context.get(), nullptr, &size, Bytes(associated),
                        static_cast<int>(associated.size())) == 1 &&
      EVP_DecryptUpdate(context.get(), Bytes(plain), &size, cipher, static_cast<int>(length)) ==
          1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, cipher + length) == 1 &&
      EVP_DecryptFinal_ex(context.get(), Bytes(plain) + size, &size) == 1;
  if (!authentic) return std::nullopt;
  plain.resize(length);
  return plain;
}

std::string KeyedHash(const Key& key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const unsigned char* made = HMAC(EVP_sha256(), key.bytes.data(), kKeyBytes, Bytes(text),
                                   text.size(), digest.data(), &size);
  LATHE_CHECK(made != nullptr, "HMAC-SHA-256 does not work");
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) {
    hex += kDigits[digest[i] >> 4U];
    hex += kDigits[digest[i] & 15U];
  }
  return hex;
}

}  // namespace lathe::secrets
