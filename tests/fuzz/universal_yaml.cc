// Hostile YAML as a universal configuration.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/universal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lathe::fuzz::CheckParsed(lathe::schema::FromYaml({reinterpret_cast<const char*>(data), size}));
  return 0;
}
