// Hostile training files of sequences to imitate.
#include "tests/fuzz/rows.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lathe::fuzz::ReadRows(lathe::trainer::data::Content::kSequences, data, size);
  return 0;
}
