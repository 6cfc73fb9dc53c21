// Hostile answers, read for calls of tools in each of the common forms.
#include <cstddef>
#include <cstdint>

#include "tests/fuzz/expect.h"
#include "worker/trainer/scoring/python_calls.h"

namespace lathe::fuzz {
namespace {

using trainer::scoring::ReadPythonCalls;
using trainer::scoring::ToolCall;
using trainer::scoring::ToolCallFormat;

/// As Python would have it; JSON's values are its literals, as far as they are read.
std::string AsPython(const std::vector<ToolCall>& calls) {
  std::string text = "[";
  for (const ToolCall& call : calls) {
    text += call.name + "(";
    for (const auto& [key, value] : call.arguments.items()) text += key + "=" + value.dump() + ", ";
    text += "), ";
  }
  return text + "]";
}

}  // namespace
}  // namespace lathe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto formats = lathe::fuzz::ToolCallFormat::Common();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& format : formats) {
    for (const auto& call : format.Read(text)) {
      LATHE_FUZZ_EXPECT(!call.name.empty() && call.arguments.is_object());
    }
  }
  const auto read = lathe::fuzz::ReadPythonCalls(text);
  if (!read) return 0;
  LATHE_FUZZ_EXPECT(!read->calls.empty() && read->end <= size);
  const std::string written = lathe::fuzz::AsPython(read->calls);
  const auto again = lathe::fuzz::ReadPythonCalls(written);
  LATHE_FUZZ_EXPECT(again && again->calls == read->calls && again->end == written.size());
  return 0;
}
