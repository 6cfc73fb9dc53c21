#include "coordinator/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>

#include <array>
#include <cerrno>

#include "common/base/file_io.h"

namespace lathe::coordinator {
namespace {

namespace fs = std::filesystem;

Error NotUsable(const Error& error) {
  return {ErrorCode::kInvalidArgument,
          "data_dir: " + error.message + "; give a folder that the coordinator may write",
          {}};
}

Result<UniqueFd> Lock(const fs::path& folder) {
  const fs::path path = folder / "lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return Failure(NotUsable(FileError("open", path, errno)));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Failure(ErrorCode::kFailedPrecondition,
                   "data_dir " + folder.string() +
                       " is in use by another coordinator; stop it, or give this one a data_dir of "
                       "its own.");
  }
  return fd;
}

Result<std::string> Identity(const fs::path& folder) {
  const fs::path path = folder / "coordinator-id";
  if (auto known = ReadFile(path, 256)) return known;
  std::array<unsigned char, 8> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) < 0) {
    return Failure(FileError("draw random bytes for", path, errno));
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string identity = "coordinator-";
  for (const unsigned char byte : bytes) {
    identity += kDigits[byte >> 4U];
    identity += kDigits[byte & 15U];
  }
  LATHE_RETURN_IF_ERROR(WriteFileAtomically(path, identity));
  return identity;
}

}  // namespace

Result<DataFolder> OpenDataFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return Failure(NotUsable(FileError("create", folder, error.value())));
  LATHE_ASSIGN_OR_RETURN(UniqueFd lock, Lock(folder));
  LATHE_ASSIGN_OR_RETURN(std::string identity, Identity(folder));
  LATHE_ASSIGN_OR_RETURN(auto blobs, artifacts::BlobStore::Open(folder / "blobs"));
  return DataFolder{std::move(lock), std::move(identity), std::move(blobs)};
}

}  // namespace lathe::coordinator
