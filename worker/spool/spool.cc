#include "worker/spool/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "common/base/check.h"
#include "common/base/file_io.h"
#include "worker/spool/line_reader.h"

namespace lathe::worker::spool {
namespace {

struct ParsedLine {
  std::uint64_t sequence = 0;
  Spool::Record record;
};

std::optional<ParsedLine> ParseLine(std::string_view text) {
  ParsedLine line;
  for (std::uint64_t* number : {&line.sequence, &line.record.next.events, &line.record.next.log}) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
    if (error != std::errc{} || end == text.data() + text.size() || *end != ' ') return {};
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  }
  line.record.json = text;
  return line;
}

std::filesystem::path AckPath(std::filesystem::path path) {
  return path += ".acked";
}

std::uint64_t ReadAcknowledged(const std::filesystem::path& path) {
  std::uint64_t number = 0;
  const auto text = ReadFile(AckPath(path), 64);
  // Without a readable number everything is sent again, which is harmless.
  if (text) std::from_chars(text->data(), text->data() + text->size(), number);
  return number;
}

Status WriteAll(const std::filesystem::path& path, int fd, std::string_view bytes, off_t offset) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failure(FileError("write", path, errno));
    bytes.remove_prefix(static_cast<std::size_t>(n));
    offset += n;
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Spool>> Spool::Open(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return Failure(FileError("open", path, errno));
  std::unique_ptr<Spool> spool(new Spool(path, std::move(fd)));
  LATHE_RETURN_IF_ERROR(spool->Load());
  return spool;
}

Status Spool::Load() {
  ends_ = {0};
  LineReader reader(path_, 0);
  while (true) {
    LATHE_ASSIGN_OR_RETURN(const std::vector<Line> lines, reader.Read());
    if (lines.empty()) break;
    for (const Line& line : lines) {
      const auto parsed = ParseLine(line.text);
      if (!parsed || parsed->sequence != ends_.size()) {
        return Failure(ErrorCode::kDataLoss,
                       path_.string() + ": damaged at byte " + std::to_string(line.begin));
      }
      ends_.push_back(line.end);
      offsets_ = parsed->record.next;
    }
  }
  if (::ftruncate(fd_.get(), static_cast<off_t>(ends_.back())) != 0) {
    return Failure(FileError("truncate", path_, errno));
  }
  acknowledged_ = std::min<std::uint64_t>(ReadAcknowledged(path_), ends_.size() - 1);
  return {};
}

Status Spool::Append(std::span<const Record> records) {
  if (records.empty()) return {};
  const std::lock_guard lock(mutex_);
  std::string bytes;
  std::vector<std::uint64_t> ends;
  for (const Record& record : records) {
    const std::uint64_t sequence = ends_.size() + ends.size();
    bytes += std::to_string(sequence) + ' ' + std::to_string(record.next.events) + ' ' +
             std::to_string(record.next.log) + ' ' + record.json + '\n';
    ends.push_back(ends_.back() + bytes.size());
  }
  const auto start = static_cast<off_t>(ends_.back());
  Status written = WriteAll(path_, fd_.get(), bytes, start);
  if (written && ::fdatasync(fd_.get()) != 0) {
    written = Failure(FileError("write", path_, errno));
  }
  if (!written) {
    // Half a batch must not stay: its numbers will be given to other lines.
    LATHE_CHECK(::ftruncate(fd_.get(), start) == 0, "cannot take back a failed append");
    return written;
  }
  ends_.insert(ends_.end(), ends.begin(), ends.end());
  offsets_ = records.back().next;
  return {};
}

Result<std::vector<Spool::Entry>> Spool::Read(std::uint64_t after, std::size_t max_count,
                                              std::size_t max_bytes) const {
  const std::lock_guard lock(mutex_);
  std::vector<Entry> entries;
  if (after + 1 >= ends_.size()) return entries;
  std::uint64_t to = after + 1;
  while (to + 1 < ends_.size() && to - after < max_count &&
         ends_[to + 1] - ends_[after] <= max_bytes) {
    ++to;
  }
  std::string bytes(ends_[to] - ends_[after], '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t n = ::pread(fd_.get(), bytes.data() + filled, bytes.size() - filled,
                              static_cast<off_t>(ends_[after] + filled));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Failure(FileError("read", path_, n < 0 ? errno : EIO));
    filled += static_cast<std::size_t>(n);
  }
  for (std::uint64_t sequence = after + 1; sequence <= to; ++sequence) {
    const std::size_t begin = ends_[sequence - 1] - ends_[after];
    const std::size_t length = ends_[sequence] - ends_[sequence - 1] - 1;
    auto line = ParseLine(std::string_view(bytes).substr(begin, length));
    if (!line) return Failure(ErrorCode::kDataLoss, path_.string() + ": damaged");
    entries.push_back({sequence, std::move(line->record.json)});
  }
  return entries;
}

void Spool::Acknowledge(std::uint64_t sequence) {
  const std::lock_guard lock(mutex_);
  const std::uint64_t known = std::min<std::uint64_t>(sequence, ends_.size() - 1);
  if (known <= acknowledged_) return;
  acknowledged_ = known;
  // A lost number only means a resend, so a failed write is no error.
  const UniqueFd fd(::open(AckPath(path_).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  std::string text = std::to_string(acknowledged_);
  text.resize(20, ' ');
  if (fd) [[maybe_unused]]
    const ssize_t n = ::pwrite(fd.get(), text.data(), text.size(), 0);
}

std::uint64_t Spool::last() const {
  const std::lock_guard lock(mutex_);
  return ends_.size() - 1;
}

std::uint64_t Spool::acknowledged() const {
  const std::lock_guard lock(mutex_);
  return acknowledged_;
}

SourceOffsets Spool::offsets() const {
  const std::lock_guard lock(mutex_);
  return offsets_;
}

std::uint64_t Spool::unsent_bytes() const {
  const std::lock_guard lock(mutex_);
  return ends_.back() - ends_[acknowledged_];
}

}  // namespace lathe::worker::spool
