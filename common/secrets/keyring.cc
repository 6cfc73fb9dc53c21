#include "common/secrets/keyring.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "common/base/check.h"
#include "common/base/file_io.h"
#include "common/base/unique_fd.h"

namespace lathe::secrets {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{1} << 16;
constexpr std::size_t kMaxIdBytes = 32;
constexpr mode_t kOwnerOnly = 0600;

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool ReadHex(std::string_view text, std::array<unsigned char, kKeyBytes>& bytes) {
  if (text.size() != 2 * bytes.size()) return false;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int high = HexDigit(text[2 * i]);
    const int low = HexDigit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return true;
}

bool IsKeyId(std::string_view id) {
  return !id.empty() && id.size() <= kMaxIdBytes && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

Error BadLine(int number, const std::string& what) {
  return {
      ErrorCode::kInvalidArgument,
      "line " + std::to_string(number) + " of the secrets key file: " + what,
      {},
      "a line is an id (a-z, 0-9, - and _) and 64 hexadecimal digits, as `openssl rand -hex 32` "
      "prints them"};
}

Status CheckMode(int fd, const std::filesystem::path& file) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return Failure(FileError("look at", file, errno));
  if ((info.st_mode & (S_IRWXG | S_IRWXO)) == 0) return {};
  return Failure(
      Error{ErrorCode::kFailedPrecondition,
            "others than its owner may read or write " + file.string(),
            {},
            "chmod 600 " + file.string() + "; if others can have read it, put a new key into it"});
}

}  // namespace

Key::~Key() {
  OPENSSL_cleanse(bytes.data(), bytes.size());
}

Result<Keyring> Keyring::Parse(std::string_view text) {
  std::vector<Key> keys;
  std::istringstream lines{std::string(text)};
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream words(line);
    std::string id;
    std::string digits;
    std::string rest;
    words >> id >> digits >> rest;
    if (id.empty() || id.front() == '#') continue;
    Key key;
    if (!IsKeyId(id)) return Failure(BadLine(number, "it does not begin with the id of a key"));
    if (!rest.empty() || !ReadHex(digits, key.bytes)) {
      return Failure(BadLine(number, "the key is not 64 hexadecimal digits"));
    }
    key.id = id;
    for (const Key& known : keys) {
      if (known.id == id) return Failure(BadLine(number, "key " + id + " stands there twice"));
    }
    keys.push_back(key);
  }
  if (keys.empty()) return Failure(BadLine(1, "there is no key in the file"));
  return Keyring(std::move(keys));
}

Result<Keyring> Keyring::Read(const std::filesystem::path& file) {
  LATHE_ASSIGN_OR_RETURN(std::string text, ReadPrivateFile(file));
  auto keyring = Parse(text);
  OPENSSL_cleanse(text.data(), text.size());
  if (!keyring) return Failure(keyring.error().WithContext(file.string()));
  return keyring;
}

const Key* Keyring::Find(std::string_view id) const {
  for (const Key& key : keys_) {
    if (key.id == id) return &key;
  }
  return nullptr;
}

Result<std::string> ReadPrivateFile(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Failure(FileError("open", file, errno));
  LATHE_RETURN_IF_ERROR(CheckMode(fd.get(), file));
  return ReadFile(file, kMaxFileBytes);
}

Status CreateKeyFileIfAbsent(const std::filesystem::path& file) {
  std::error_code unreadable;
  if (std::filesystem::exists(file, unreadable)) return {};
  std::array<unsigned char, kKeyBytes> bytes{};
  LATHE_CHECK(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1,
              "the system gives no random bytes");
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text =
      "# Secrets in stored configurations are encrypted with this. Back it up; show it to no one.\n"
      "k1 ";
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  text += "\n";
  // Linked into place when complete: a key file that is there is never replaced, since what it
  // sealed would be lost, and none is ever there in part.
  const std::filesystem::path draft = file.string() + "." + std::to_string(::getpid());
  {
    const UniqueFd fd(
        ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kOwnerOnly));
    const bool written =
        fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::fsync(fd.get()) == 0;
    if (!written) return Failure(FileError("write", draft, errno));
  }
  const bool linked = ::link(draft.c_str(), file.c_str()) == 0 || errno == EEXIST;
  const int link_error = errno;
  ::unlink(draft.c_str());
  OPENSSL_cleanse(text.data(), text.size());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (!linked) return Failure(FileError("create", file, link_error));
  return SyncFolder(file.parent_path());
}

}  // namespace lathe::secrets
