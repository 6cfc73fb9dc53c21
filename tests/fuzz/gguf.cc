// Hostile GGUF files: their tensors, and the tokenizer in their metadata.
#include "worker/trainer/formats/gguf.h"

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/tensors.h"
#include "tests/fuzz/tokenizer_use.h"
#include "worker/trainer/tokenizer/gguf_to_json.h"
#include "worker/trainer/tokenizer/load.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const lathe::fuzz::MemoryFile file(data, size);
  const auto opened = lathe::trainer::formats::Gguf::Open(file.path());
  if (!opened) {
    LATHE_FUZZ_EXPECT(!opened.error().message.empty());
    return 0;
  }
  lathe::fuzz::ExpectSound(opened->tensors(), size);
  if (const auto loaded = lathe::trainer::tokenizer::LoadModelTokenizer(*opened)) {
    lathe::fuzz::ExpectSound(loaded->tokenizer);
    static_cast<void>(lathe::trainer::tokenizer::TokenizerFilesOf(*opened));
  }
  return 0;
}
