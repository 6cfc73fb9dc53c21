#include "worker/trainer/formats/file_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/base/file_io.h"

namespace lathe::trainer::formats {

Result<FileSink> FileSink::Create(const std::filesystem::path& path) {
  std::filesystem::path temporary = path.string() + ".tmp-" + std::to_string(::getpid());
  UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return Failure(FileError("create", temporary, errno));
  return FileSink(std::move(fd), path, std::move(temporary));
}

FileSink::~FileSink() {
  if (fd_) ::unlink(temporary_.c_str());
}

Status FileSink::Write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return Failure(FileError("write", temporary_, errno));
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Status FileSink::Commit() {
  if (::fsync(fd_.get()) != 0) return Failure(FileError("sync", temporary_, errno));
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    return Failure(FileError("rename", temporary_, errno));
  }
  fd_ = UniqueFd();
  return SyncFolder(path_.has_parent_path() ? path_.parent_path() : std::filesystem::path("."));
}

}  // namespace lathe::trainer::formats
