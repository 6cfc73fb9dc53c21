#include "worker/trainer/checkpoint/content_hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <vector>

#include "worker/trainer/formats/mapped_file.h"

namespace lathe::trainer::checkpoint {
namespace {

std::string Hex(const XXH128_hash_t& hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : canonical.digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string_view View(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string HashOf(std::string_view bytes) {
  return Hex(XXH3_128bits(bytes.data(), bytes.size()));
}

Result<std::string> HashOfFile(const std::filesystem::path& path) {
  LATHE_ASSIGN_OR_RETURN(const auto file, formats::MappedFile::Open(path));
  return HashOf(View(file.bytes()));
}

Result<std::string> HashOfModel(const std::filesystem::path& model) {
  constexpr std::size_t kHeadBytes = std::size_t{4} << 20;
  std::vector<std::filesystem::path> files = {model};
  std::error_code error;
  if (std::filesystem::is_directory(model, error)) {
    files.clear();
    for (const auto& entry : std::filesystem::directory_iterator(model, error)) {
      const auto extension = entry.path().extension();
      if (extension == ".json" || extension == ".safetensors") files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
  }
  std::string summary;
  for (const auto& path : files) {
    LATHE_ASSIGN_OR_RETURN(const auto file, formats::MappedFile::Open(path));
    const auto head = file.bytes().first(std::min(kHeadBytes, file.bytes().size()));
    summary += path.filename().string() + " " + std::to_string(file.bytes().size()) + " " +
               HashOf(View(head)) + "\n";
  }
  return HashOf(summary);
}

}  // namespace lathe::trainer::checkpoint
