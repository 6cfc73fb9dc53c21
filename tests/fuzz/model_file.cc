// Hostile model files: GGUF and safetensors, opened, then every tensor touched.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "common/base/unique_fd.h"
#include "tests/fuzz/expect.h"
#include "worker/trainer/formats/gguf.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::fuzz {
namespace {

using trainer::formats::Gguf;
using trainer::formats::Safetensors;
using trainer::formats::TensorInfo;

/// A file in memory alone.
UniqueFd FileOf(const std::uint8_t* data, std::size_t size) {
  UniqueFd fd(::memfd_create("fuzz", MFD_CLOEXEC));
  LATHE_FUZZ_EXPECT(fd && ::write(fd.get(), data, size) == static_cast<ssize_t>(size));
  return fd;
}

/// What was accepted lies within the file.
void Touch(const std::vector<TensorInfo>& tensors) {
  volatile unsigned sum = 0;
  for (const TensorInfo& tensor : tensors) {
    if (!tensor.data.empty()) {
      sum = sum + static_cast<unsigned>(tensor.data.front()) +
            static_cast<unsigned>(tensor.data.back());
    }
  }
}

void Check(bool as_gguf, const std::string& path) {
  if (as_gguf) {
    if (const auto file = Gguf::Open(path)) {
      Touch(file->tensors());
    }
  } else if (const auto file = Safetensors::OpenFile(path)) {
    Touch(file->tensors());
  }
}

}  // namespace
}  // namespace lathe::fuzz

/// The first byte chooses the format: even GGUF, odd safetensors.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const lathe::UniqueFd fd = lathe::fuzz::FileOf(data + 1, size - 1);
  lathe::fuzz::Check(data[0] % 2 == 0, "/proc/self/fd/" + std::to_string(fd.get()));
  return 0;
}
