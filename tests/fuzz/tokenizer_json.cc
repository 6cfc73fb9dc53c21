// Hostile tokenizer.json files, and what the accepted ones make of texts.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/tokenizer_use.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto tokenizer = lathe::trainer::tokenizer::Tokenizer::FromJson(
      {reinterpret_cast<const char*>(data), size}, "tokenizer.json");
  if (!tokenizer) {
    LATHE_FUZZ_EXPECT(!tokenizer.error().message.empty());
    return 0;
  }
  lathe::fuzz::ExpectSound(*tokenizer);
  return 0;
}
