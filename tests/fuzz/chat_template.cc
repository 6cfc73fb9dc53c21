// Hostile chat templates, parsed and rendered over a conversation with tools.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "tests/fuzz/expect.h"
#include "worker/trainer/chat_template/chat_template.h"

namespace lathe::fuzz {
namespace {

using trainer::chat_template::ChatTemplate;
using trainer::chat_template::Dict;
using trainer::chat_template::FromJson;
using trainer::chat_template::Span;

Dict Context() {
  const auto json = nlohmann::ordered_json::parse(R"({
    "messages": [{"role": "system", "content": "Be brief."},
                 {"role": "user", "content": "H\u00e9llo 'you' \"there\""},
                 {"role": "assistant", "content": null,
                  "tool_calls": [{"function": {"name": "f", "arguments": {"a": [true, null, 1.5]}}}]},
                 {"role": "tool", "content": "42"}],
    "tools": [{"name": "f", "parameters": {"x": "int"}}], "n": 7, "empty": [],
    "bos_token": "<s>", "eos_token": "</s>", "add_generation_prompt": true})");
  return *FromJson(json).AsDict();
}

}  // namespace
}  // namespace lathe::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto context = lathe::fuzz::Context();
  const auto parsed = lathe::fuzz::ChatTemplate::Parse({reinterpret_cast<const char*>(data), size});
  if (!parsed) {
    LATHE_FUZZ_EXPECT(!parsed.error().message.empty());
    return 0;
  }
  const auto rendered = parsed->Render(context, lathe::Instant{});
  if (!rendered) {
    LATHE_FUZZ_EXPECT(!rendered.error().message.empty());
    return 0;
  }
  std::size_t end = 0;
  for (const lathe::fuzz::Span& span : rendered->generated) {
    LATHE_FUZZ_EXPECT(end <= span.begin && span.begin <= span.end &&
                      span.end <= rendered->text.size());
    end = span.begin;
  }
  return 0;
}
