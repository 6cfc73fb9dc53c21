#pragma once
// One trainer an output folder: a lock that goes when the process does.

#include <filesystem>

#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace lathe::trainer::loop {

class OutputLock {
 public:
  /// Creates the folder where needed. kUnavailable when another trainer holds the lock.
  static Result<OutputLock> Take(const std::filesystem::path& output);

 private:
  explicit OutputLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

}  // namespace lathe::trainer::loop
