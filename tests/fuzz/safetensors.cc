// Hostile safetensors files.
#include "worker/trainer/formats/safetensors.h"

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const lathe::fuzz::MemoryFile file(data, size);
  const auto opened = lathe::trainer::formats::Safetensors::OpenFile(file.path());
  if (!opened) {
    LATHE_FUZZ_EXPECT(!opened.error().message.empty());
    return 0;
  }
  lathe::fuzz::ExpectSound(opened->tensors(), size);
  return 0;
}
