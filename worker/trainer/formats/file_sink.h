#pragma once
// A file that is written piece by piece and appears as a whole: the bytes go to a temporary name
// beside the target, which Commit syncs and renames. Without Commit nothing is left behind.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace lathe::trainer::formats {

class FileSink {
 public:
  static Result<FileSink> Create(const std::filesystem::path& path);

  FileSink(FileSink&& other) noexcept = default;
  FileSink& operator=(FileSink&&) = delete;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;
  ~FileSink();

  Status Write(std::span<const std::byte> bytes);
  /// Bytes so far.
  std::uint64_t size() const { return size_; }
  /// Makes the file durable under its name. Nothing may be written afterwards.
  Status Commit();

 private:
  FileSink(UniqueFd fd, std::filesystem::path path, std::filesystem::path temporary)
      : fd_(std::move(fd)), path_(std::move(path)), temporary_(std::move(temporary)) {}

  UniqueFd fd_;
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::uint64_t size_ = 0;
};

}  // namespace lathe::trainer::formats
