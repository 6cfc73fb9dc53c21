#include "common/base/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "common/base/unique_fd.h"

namespace lathe {
namespace {

ErrorCode CodeOf(int error_number) {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR:
      return ErrorCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
      return ErrorCode::kPermissionDenied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return ErrorCode::kResourceExhausted;
    default:
      return ErrorCode::kInternal;
  }
}

Status WriteAll(int fd, const std::filesystem::path& path, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return Failure(FileError("write", path, errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

}  // namespace

Error FileError(std::string_view action, const std::filesystem::path& path, int error_number) {
  return Error{CodeOf(error_number),
               "cannot " + std::string(action) + " " + path.string() + ": " +
                   std::generic_category().message(error_number),
               {}};
}

Result<std::string> ReadFile(const std::filesystem::path& path, std::uintmax_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return Failure(FileError("open", path, errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return Failure(FileError("stat", path, errno));
  if (S_ISDIR(info.st_mode)) {
    return Failure(ErrorCode::kInvalidArgument, path.string() + " is a folder, not a file");
  }
  std::string bytes;
  bytes.reserve(static_cast<std::size_t>(info.st_size));
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failure(FileError("read", path, errno));
    if (count == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(count));
    if (bytes.size() > max_bytes) {
      return Failure(ErrorCode::kResourceExhausted,
                     path.string() + " is larger than " + std::to_string(max_bytes) + " bytes");
    }
  }
}

Status WriteFileAtomically(const std::filesystem::path& path, std::string_view bytes) {
  std::string temporary = path.string() + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return Failure(FileError("create", temporary, errno));
  Status written = WriteAll(fd.get(), path, bytes);
  if (written && ::fchmod(fd.get(), 0644) != 0) {
    written = Failure(FileError("set the mode of", path, errno));
  }
  if (written && ::fsync(fd.get()) != 0) written = Failure(FileError("sync", path, errno));
  if (written && ::rename(temporary.c_str(), path.c_str()) != 0) {
    written = Failure(FileError("rename to", path, errno));
  }
  if (!written) {
    ::unlink(temporary.c_str());
    return written;
  }
  return SyncFolder(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
}

Status SyncFolder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return Failure(FileError("open", folder, errno));
  if (::fsync(fd.get()) != 0) return Failure(FileError("sync", folder, errno));
  return {};
}

}  // namespace lathe
