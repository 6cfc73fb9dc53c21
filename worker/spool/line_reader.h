#pragma once
// Reads the complete lines of a file that another process appends to. A last line without its
// newline is left for later. Not thread-safe.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace lathe::worker::spool {

struct Line {
  std::string text;         ///< without the newline
  std::uint64_t begin = 0;  ///< offset of its first byte
  std::uint64_t end = 0;    ///< offset after its newline: where the next line begins
};

class LineReader {
 public:
  /// A line longer than this is handed out in pieces of this length.
  static constexpr std::size_t kMaxLineBytes = 1 << 20;

  LineReader(std::filesystem::path path, std::uint64_t offset)
      : path_(std::move(path)), offset_(offset) {}

  /// The complete lines of the next kMaxLineBytes; none when there is nothing new or no file yet.
  Result<std::vector<Line>> Read() { return ReadLines(Rest::kLeave); }

  /// The same, and a last line without newline too: for a file that nobody writes any more.
  Result<std::vector<Line>> ReadToEnd() { return ReadLines(Rest::kTake); }

  std::uint64_t offset() const { return offset_; }

 private:
  enum class Rest : std::uint8_t { kLeave, kTake };
  Result<std::vector<Line>> ReadLines(Rest rest);

  std::filesystem::path path_;
  std::uint64_t offset_;
};

/// The offset after the last newline of a file; 0 when it does not exist or has none.
Result<std::uint64_t> EndOfCompleteLines(const std::filesystem::path& path);

}  // namespace lathe::worker::spool
