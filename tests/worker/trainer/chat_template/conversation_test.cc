#include "worker/trainer/chat_template/conversation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/tokenizer/golden.h"

namespace lathe::trainer::chat_template {
namespace {

using Json = nlohmann::ordered_json;

class Chats : public testing::TestWithParam<const char*> {};

TEST_P(Chats, RenderingsEqualTheReference) {
  const Json golden = tokenizer::GoldenChats(GetParam());
  const auto stock = ChatTemplate::Parse(golden["chat_template"].get<std::string>()).value();
  const auto training = ChatTemplate::Parse(golden["training_template"].get<std::string>()).value();
  const TemplateSettings settings{.eos_token = "<|im_end|>"};
  for (const Json& entry : golden["cases"]) {
    const auto plain = RenderConversation(stock, entry, settings, GenerationPrompt::kOmit);
    if (entry.contains("error")) {
      EXPECT_FALSE(plain);
      continue;
    }
    EXPECT_EQ(plain->text, entry["rendered"].get<std::string>()) << entry["i"];
    EXPECT_EQ(RenderConversation(stock, entry, settings, GenerationPrompt::kAdd)->text,
              entry["rendered_generation_prompt"].get<std::string>());
    EXPECT_EQ(RenderWithAssistant(training, entry, settings)->text,
              entry["train_rendered"].get<std::string>());
  }
}
INSTANTIATE_TEST_SUITE_P(Models, Chats, testing::Values("smollm2", "qwen3"));

constexpr const char* kSimple =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

Result<Rendered> WithAssistant(const char* source, const char* conversation) {
  return RenderWithAssistant(ChatTemplate::Parse(source).value(), Json::parse(conversation), {});
}

TEST(Conversation, WithoutMarkersTheAssistantsPartIsWhatItAdds) {
  const auto rendered = WithAssistant(kSimple, R"({"messages": [{"role": "user", "content": "a"},
      {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"},
      {"role": "assistant", "content": "d"}]})");
  ASSERT_TRUE(rendered);
  EXPECT_EQ(rendered->text, "<user>a;<assistant>b;<user>c;<assistant>d;");
  EXPECT_THAT(rendered->generated, testing::ElementsAre(Span{19, 21}, Span{40, 42}));
}

TEST(Conversation, ATemplateThatRewritesEarlierTurnsIsRefused) {
  const auto rendered = WithAssistant(
      "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}",
      R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]})");
  ASSERT_FALSE(rendered);
  EXPECT_THAT(rendered.error().message, testing::HasSubstr("generation"));
}

TEST(Conversation, BrokenConversationsAreNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({})", "needs \"messages\""},
      {R"({"messages": []})", "empty"},
      {R"({"messages": ["x"]})", "messages[0]"},
      {R"({"messages": [{"content": "x"}]})", "messages[0].role"},
      {R"({"messages": [{"role": "user"}]})", "no content"},
      {R"([1])", "needs \"messages\""},
  };
  for (const auto& [conversation, cause] : cases) {
    const auto rendered = WithAssistant(kSimple, conversation);
    ASSERT_FALSE(rendered);
    EXPECT_THAT(rendered.error().message, testing::HasSubstr(cause));
  }
}

TEST(Conversation, OtherMembersAreVariables) {
  const auto rendered = WithAssistant("{{ tools | length }}{{ mood }}", R"({"messages":
      [{"role": "user", "content": "a"}], "tools": [{}, {}], "mood": "m"})");
  EXPECT_EQ(rendered->text, "2m");
}

}  // namespace
}  // namespace lathe::trainer::chat_template
