#pragma once
// A file mapped read-only into memory. The mapping goes with its owner; spans into it must not
// outlive it. Moving does not move the bytes. Readers may share one across threads.
//
// A file that somebody shortens while it is mapped ends the process (SIGBUS): model files are
// replaced by renaming, never rewritten in place.

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>

#include "common/base/result.h"

namespace lathe::trainer::formats {

class MappedFile {
 public:
  /// kNotFound, kPermissionDenied, or kInvalidArgument when it is not a regular file.
  static Result<MappedFile> Open(const std::filesystem::path& path);

  MappedFile(MappedFile&& other) noexcept
      : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::filesystem::path& path() const { return path_; }
  /// Empty for an empty file.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  MappedFile(std::filesystem::path path, std::span<const std::byte> bytes)
      : path_(std::move(path)), bytes_(bytes) {}
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

/// Drops the pages of a mapped file that lie within these bytes from the process's memory. They are
/// read again, from the system's cache, when something touches them.
void ReleasePages(std::span<const std::byte> bytes);

}  // namespace lathe::trainer::formats
