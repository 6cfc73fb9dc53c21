#include "worker/trainer/loop/output_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include "common/base/file_io.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::loop {

Result<OutputLock> OutputLock::Take(const std::filesystem::path& output) {
  std::error_code error;
  std::filesystem::create_directories(output, error);
  if (error) return Failure(FileError("create", output, error.value()));
  const std::filesystem::path path = output / trainer_protocol::kLockFile;
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (!fd) return Failure(FileError("open", path, errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Failure(ErrorCode::kUnavailable,
                   "another trainer is working on " + output.string() +
                       ": wait for it to end, or stop it, or use another output folder");
  }
  return OutputLock(std::move(fd));
}

}  // namespace lathe::trainer::loop
