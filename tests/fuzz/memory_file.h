#pragma once
// A fuzzer's input as a file that exists in memory alone.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "common/base/unique_fd.h"
#include "tests/fuzz/expect.h"

namespace lathe::fuzz {

class MemoryFile {
 public:
  MemoryFile(const std::uint8_t* data, std::size_t size)
      : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    LATHE_FUZZ_EXPECT(fd_ && ::write(fd_.get(), data, size) == static_cast<ssize_t>(size));
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  UniqueFd fd_;
};

}  // namespace lathe::fuzz
