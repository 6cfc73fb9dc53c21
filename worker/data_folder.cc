#include "worker/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <random>
#include <system_error>

#include "common/base/file_io.h"
#include "worker/devices/host.h"

namespace lathe::worker {

namespace fs = std::filesystem;

namespace {

Error NotUsable(const Error& error) {
  return {ErrorCode::kInvalidArgument,
          "data_dir: " + error.message + "; give a folder that this worker may write",
          {}};
}

}  // namespace

Result<DataFolder> DataFolder::Open(const fs::path& path) {
  for (const fs::path& folder : {path, path / "jobs", path / "cache", path / "answers"}) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) return Failure(NotUsable(FileError("make", folder, error.value())));
  }
  // A job's plan may hold secrets of its user; nobody else on this machine needs to look.
  std::error_code error;
  fs::permissions(path / "jobs", fs::perms::owner_all, error);
  if (error) return Failure(NotUsable(FileError("close to others", path / "jobs", error.value())));
  const fs::path lock_path = path / "worker.lock";
  UniqueFd lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return Failure(NotUsable(FileError("open", lock_path, errno)));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Failure(ErrorCode::kAborted, "data_dir: another lathe-worker works on " + path.string() +
                                            "; stop it, or give this one a data_dir of its own");
  }
  // A worker that was killed could not remove its answers' files.
  for (const auto& left : fs::directory_iterator(path / "answers", error)) {
    fs::remove_all(left.path(), error);
  }
  return DataFolder(path, std::move(lock));
}

Result<std::string> DataFolder::NodeId(const std::string& configured) const {
  if (!configured.empty()) return configured;
  const fs::path file = path_ / "node-id";
  auto known = ReadFile(file, 1024);
  if (known) {
    while (!known->empty() && known->back() == '\n') known->pop_back();
    if (!known->empty()) return known;
  } else if (known.error().code != ErrorCode::kNotFound) {
    return known;
  }
  std::array<char, 9> chance{};
  std::snprintf(chance.data(), chance.size(), "%08x", std::random_device()());
  const std::string id = devices::HostName() + "-" + chance.data();
  LATHE_RETURN_IF_ERROR(WriteFileAtomically(file, id + "\n"));
  return id;
}

}  // namespace lathe::worker
