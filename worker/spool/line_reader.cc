#include "worker/spool/line_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/base/file_io.h"
#include "common/base/unique_fd.h"

namespace lathe::worker::spool {
namespace {

Result<std::string> ReadAt(const std::filesystem::path& path, int fd, std::uint64_t offset) {
  std::string bytes(LineReader::kMaxLineBytes, '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t n = ::pread(fd, bytes.data() + filled, bytes.size() - filled,
                              static_cast<off_t>(offset + filled));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failure(FileError("read", path, errno));
    if (n == 0) break;
    filled += static_cast<std::size_t>(n);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace

Result<std::vector<Line>> LineReader::ReadLines(Rest rest) {
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::vector<Line>{};
  if (!fd) return Failure(FileError("open", path_, errno));
  LATHE_ASSIGN_OR_RETURN(const std::string bytes, ReadAt(path_, fd.get(), offset_));

  std::vector<Line> lines;
  std::size_t begin = 0;
  for (std::size_t end; (end = bytes.find('\n', begin)) != std::string::npos; begin = end + 1) {
    lines.push_back({bytes.substr(begin, end - begin), offset_ + begin, offset_ + end + 1});
  }
  const bool piece_of_long_line = lines.empty() && bytes.size() == kMaxLineBytes;
  const bool last_line = rest == Rest::kTake && bytes.size() < kMaxLineBytes;
  if (begin < bytes.size() && (piece_of_long_line || last_line)) {
    lines.push_back({bytes.substr(begin), offset_ + begin, offset_ + bytes.size()});
  }
  if (!lines.empty()) offset_ = lines.back().end;
  return lines;
}

Result<std::uint64_t> EndOfCompleteLines(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::uint64_t{0};
  if (!fd) return Failure(FileError("open", path, errno));
  const off_t size = ::lseek(fd.get(), 0, SEEK_END);
  if (size < 0) return Failure(FileError("read", path, errno));
  auto end = static_cast<std::uint64_t>(size);
  while (end > 0) {
    const std::uint64_t begin = end - std::min<std::uint64_t>(end, LineReader::kMaxLineBytes);
    LATHE_ASSIGN_OR_RETURN(std::string bytes, ReadAt(path, fd.get(), begin));
    bytes.resize(std::min<std::size_t>(bytes.size(), end - begin));
    const std::size_t newline = bytes.rfind('\n');
    if (newline != std::string::npos) return begin + newline + 1;
    end = begin;
  }
  return std::uint64_t{0};
}

}  // namespace lathe::worker::spool
