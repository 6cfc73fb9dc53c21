// Hostile text in whichever dialect it looks like, and in one that it is said to be.
#include <cstddef>
#include <cstdint>

#include "common/schema/configuration.h"
#include "common/schema/dialects.h"
#include "tests/fuzz/expect.h"

namespace lathe::fuzz {
namespace {

void CheckImported(const schema::Imported& imported) {
  schema::AllFindings(imported);
  const schema::Exported exported = schema::Export(imported.configuration, imported.dialect);
  const schema::Imported again = schema::Import(exported.text, imported.dialect);
  // A file without errors comes back as it was.
  if (!HasErrors(imported.findings) && imported.dialect != schema::Dialect::kUniversal) {
    LATHE_FUZZ_EXPECT(!HasErrors(again.findings));
    LATHE_FUZZ_EXPECT(schema::ToJson(again.configuration) ==
                      schema::ToJson(imported.configuration));
    LATHE_FUZZ_EXPECT(exported.losses.empty());
  }
}

}  // namespace
}  // namespace lathe::fuzz

/// The first byte names a dialect; the rest is the text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  constexpr std::size_t kCount = std::size(lathe::schema::kDialects);
  lathe::fuzz::CheckImported(lathe::schema::Import(text));
  lathe::fuzz::CheckImported(
      lathe::schema::Import(text, lathe::schema::kDialects[data[0] % kCount]));
  return 0;
}
