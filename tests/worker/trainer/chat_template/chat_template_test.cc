#include "worker/trainer/chat_template/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"

namespace lathe::trainer::chat_template {
namespace {

nlohmann::ordered_json GoldenCases() {
  const std::string root = std::getenv("LATHE_SOURCE_DIR");
  return nlohmann::ordered_json::parse(
      ReadFile(root + "/tests/golden/chat_template/cases.json").value());
}

Result<Rendered> Render(const std::string& source, const Dict& context = {}, Instant now = {}) {
  auto parsed = ChatTemplate::Parse(source);
  if (!parsed) return Failure(parsed.error());
  return parsed->Render(context, now);
}

TEST(ChatTemplateTest, RendersWhatJinjaRenders) {
  const auto golden = GoldenCases();
  const Value context = FromJson(golden["context"]);
  ASSERT_GT(golden["cases"].size(), 100U);
  for (const auto& entry : golden["cases"]) {
    const auto source = entry["template"].get<std::string>();
    const auto rendered = Render(source, *context.AsDict());
    if (entry.contains("error")) {
      EXPECT_FALSE(rendered) << source << " gave " << rendered->text;
    } else if (rendered) {
      EXPECT_EQ(rendered->text, entry["rendered"].get<std::string>()) << source;
    } else {
      ADD_FAILURE() << source << ": " << rendered.error().message;
    }
  }
}

TEST(ChatTemplateTest, ErrorsNameTheLineAndTheCause) {
  const std::pair<const char*, const char*> cases[] = {
      {"a\n{{ raise_exception('Roles must alternate') }}", "line 2: Roles must alternate"},
      {"{% include 'x' %}", "'include' is not supported"},
      {"\n\n{{ x | wordwrap }}", "line 3: the filter 'wordwrap' is not supported"},
      {"{{ a.b.c }}", "'a' is undefined"},
      {"{% for x in y recursive %}{% endfor %}", "recursive"},
      {"{% if a %}", "endif"},
      {"{{ 99999999999999999999 }}", "too large"},
      {"{{ 9223372036854775807 + 1 }}", "too large"},
  };
  for (const auto& [source, cause] : cases) {
    const auto rendered = Render(source);
    ASSERT_FALSE(rendered) << source;
    EXPECT_EQ(rendered.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(rendered.error().message, testing::HasSubstr(cause));
  }
}

TEST(ChatTemplateTest, GenerationBlocksBecomeSpans) {
  const auto marked = ChatTemplate::Parse(
      "{% for m in messages %}<{{ m }}>{% if m == 'b' %}{% generation %}{{ m }}!{% endgeneration %}"
      "{% endif %}{% endfor %}");
  ASSERT_TRUE(marked);
  EXPECT_TRUE(marked->MarksGeneration());
  const auto rendered = marked->Render({{"messages", List{"a", "b", "b"}}}, Instant{});
  ASSERT_TRUE(rendered);
  EXPECT_EQ(rendered->text, "<a><b>b!<b>b!");
  EXPECT_THAT(rendered->generated, testing::ElementsAre(Span{6, 8}, Span{11, 13}));
  EXPECT_FALSE(ChatTemplate::Parse("{{ a }}")->MarksGeneration());
  EXPECT_FALSE(Render("{% set t %}{% generation %}x{% endgeneration %}{% endset %}"));
}

TEST(ChatTemplateTest, TheDateIsAnArgument) {
  const Instant day = FromMicros(std::int64_t{1'700'000'000} * 1'000'000);
  EXPECT_EQ(Render("{{ strftime_now('%d %b %Y') }}", {}, day)->text, "14 Nov 2023");
}

}  // namespace
}  // namespace lathe::trainer::chat_template
