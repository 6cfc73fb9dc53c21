// Hostile training files of pairs of answers.
#include "tests/fuzz/rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lathe::fuzz::ReadRows(lathe::trainer::data::Content::kPairs, data, size);
  return 0;
}
