#include "worker/trainer/data/text_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/data/golden_model.h"

namespace lathe::trainer::data {
namespace {

using Json = nlohmann::ordered_json;

class Chats : public testing::TestWithParam<const char*> {};

TEST_P(Chats, IdsAndMasksEqualTheReference) {
  const TextModel stock = GoldenModel(GetParam(), "chat_template");
  const TextModel training = GoldenModel(GetParam(), "training_template");
  const Json golden = tokenizer::GoldenChats(GetParam());
  for (const Json& entry : golden["cases"]) {
    if (entry.contains("error")) {
      EXPECT_FALSE(stock.EncodeChat(entry));
      continue;
    }
    EXPECT_EQ(stock.EncodeChat(entry)->ids, entry["ids"].get<std::vector<std::int32_t>>());
    const EncodedChat chat = training.EncodeChat(entry).value();
    EXPECT_EQ(chat.ids, entry["train_ids"].get<std::vector<std::int32_t>>());
    ASSERT_TRUE(chat.assistant_mask);
    EXPECT_EQ(*chat.assistant_mask, entry["assistant_mask"].get<std::vector<std::uint8_t>>());
  }
}
INSTANTIATE_TEST_SUITE_P(Models, Chats, testing::Values("smollm2", "qwen3"));

TEST(TextModelTest, WithoutMarkersTheMaskIsTheSame) {
  const TextModel stock = GoldenModel("smollm2", "chat_template");
  const Json golden = tokenizer::GoldenChats("smollm2");
  for (const Json& entry : golden["cases"]) {
    const EncodedChat chat = stock.EncodeChat(entry).value();
    ASSERT_TRUE(chat.assistant_mask) << chat.mask_problem;
    EXPECT_EQ(*chat.assistant_mask, entry["assistant_mask"].get<std::vector<std::uint8_t>>());
  }
}

TEST(TextModelTest, ATemplateThatRewritesTurnsHasNoMask) {
  const TextModel stock = GoldenModel("qwen3", "chat_template");
  const EncodedChat chat = stock
                               .EncodeChat(Json::parse(R"({"messages": [
      {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
      {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]})"))
                               .value();
  EXPECT_FALSE(chat.assistant_mask);
  EXPECT_THAT(chat.mask_problem, testing::HasSubstr("generation"));
}

TEST(TextModelTest, ToolsOfTheSettingsAreSeenUnlessTheConversationHasItsOwn) {
  tokenizer::ModelTokenizer tokens{tokenizer::LoadGoldenTokenizer("smollm2"),
                                   "{{ tools | tojson }}{{ messages[0].content }}", "", ""};
  const TextModel model =
      TextModel::Create(std::move(tokens),
                        {.tools = chat_template::FromJson(Json::parse(R"([{"name": "a"}])"))})
          .value();
  const auto text = [&](const char* conversation) {
    return model.EncodeChat(Json::parse(conversation))->text;
  };
  EXPECT_EQ(text(R"({"messages": [{"role": "user", "content": "x"}]})"), R"([{"name": "a"}]x)");
  EXPECT_EQ(text(R"({"messages": [{"role": "user", "content": "x"}], "tools": [1]})"), "[1]x");
}

TEST(TextModelTest, PromptsEndWithTheGenerationPrompt) {
  const TextModel stock = GoldenModel("smollm2", "chat_template");
  const auto ids =
      stock.EncodePrompt(Json::parse(R"({"messages": [{"role": "user", "content": "Hi"}]})"));
  EXPECT_TRUE(stock.tokenizer().Decode(ids.value()).ends_with("<|im_start|>assistant\n"));
}

TEST(TextModelTest, WithoutATemplateChatsAreRefused) {
  const TextModel model = GoldenModel("smollm2", "");
  const auto chat =
      model.EncodeChat(Json::parse(R"({"messages": [{"role": "user", "content": "Hi"}]})"));
  ASSERT_FALSE(chat);
  EXPECT_THAT(chat.error().message, testing::HasSubstr("chatTemplate"));
}

}  // namespace
}  // namespace lathe::trainer::data
