#include "worker/trainer/data/preference.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "tests/worker/trainer/data/golden_model.h"

namespace lathe::trainer::data {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

class PreferenceTest : public testing::Test {
 protected:
  Result<Pair> Encode(const std::string& row) const {
    return EncodePair(Json::parse(row), 49152, &model_);
  }
  /// The text of what is and of what is not a target.
  std::string Answer(const Example& example) const { return Part(example, true); }
  std::string Prompt(const Example& example) const { return Part(example, false); }
  std::string Part(const Example& example, bool targets) const {
    std::vector<std::int32_t> ids;
    for (std::size_t i = 0; i < example.tokens.size(); ++i) {
      const bool target = example.labels[i] != kIgnoredLabel;
      EXPECT_TRUE(!target || example.labels[i] == example.tokens[i]);
      if (target == targets) ids.push_back(static_cast<std::int32_t>(example.tokens[i]));
    }
    return model_.tokenizer().Decode(ids);
  }

  const TextModel model_ = GoldenModel("smollm2", "chat_template");
};

constexpr const char* kStart = "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n";

TEST_F(PreferenceTest, TextsWithAPromptAreComparedBehindIt) {
  const auto pair =
      Encode(R"({"prompt": "The sky is", "chosen": " blue.", "rejected": " green."})");
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_EQ(Prompt(pair->chosen), "The sky is");
  EXPECT_EQ(Answer(pair->chosen), " blue.<|im_end|>");
  EXPECT_EQ(Prompt(pair->rejected), "The sky is");
  EXPECT_EQ(Answer(pair->rejected), " green.<|im_end|>");
}

TEST_F(PreferenceTest, AnImplicitPromptIsWhatBothTextsBeginWith) {
  const auto pair = Encode(R"({"chosen": "The sky is blue.", "rejected": "The sky is green."})");
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_EQ(Prompt(pair->chosen), "The sky is");
  EXPECT_EQ(Answer(pair->chosen), " blue.<|im_end|>");
  EXPECT_EQ(Answer(pair->rejected), " green.<|im_end|>");
}

TEST_F(PreferenceTest, AnImplicitPromptNeverEndsWithinACharacter) {
  const auto pair = Encode(R"({"chosen": "x\u00e4", "rejected": "x\u00e5"})");  // C3 A4, C3 A5
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_THAT(Answer(pair->chosen), testing::StartsWith("\u00e4"));
}

TEST_F(PreferenceTest, MessagesWithAndWithoutAPromptAreTheSame) {
  const auto with = Encode(
      R"({"prompt": [{"role": "user", "content": "hi"}],
          "chosen": [{"role": "assistant", "content": "yes"}],
          "rejected": [{"role": "assistant", "content": "no"}]})");
  ASSERT_TRUE(with) << with.error().message;
  EXPECT_THAT(Prompt(with->chosen), testing::EndsWith(kStart));
  EXPECT_EQ(Answer(with->chosen), "yes<|im_end|>\n");
  EXPECT_EQ(Answer(with->rejected), "no<|im_end|>\n");
  for (const char* prompt : {"", R"("prompt": "hi",)"}) {
    const auto implicit = Encode("{" + std::string(prompt) +
                                 R"("chosen": [{"role": "user", "content": "hi"},
                                               {"role": "assistant", "content": "yes"}],
                                   "rejected": [{"role": "user", "content": "hi"},
                                                {"role": "assistant", "content": "no"}]})");
    ASSERT_TRUE(implicit) << implicit.error().message;
    EXPECT_EQ(implicit->chosen.tokens, with->chosen.tokens);
    EXPECT_EQ(implicit->chosen.labels, with->chosen.labels);
    EXPECT_EQ(implicit->rejected.labels, with->rejected.labels);
  }
}

TEST_F(PreferenceTest, WhatOthersSayWithinAnAnswerIsContext) {
  const auto pair = Encode(
      R"({"prompt": [{"role": "user", "content": "hi"}],
          "chosen": [{"role": "assistant", "content": "a?"}, {"role": "user", "content": "b"},
                     {"role": "assistant", "content": "c"}],
          "rejected": [{"role": "assistant", "content": "no"}]})");
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_THAT(Answer(pair->chosen), HasSubstr("a?"));
  EXPECT_THAT(Answer(pair->chosen), testing::Not(HasSubstr("b")));
  EXPECT_THAT(Prompt(pair->chosen), HasSubstr("user\nb"));
}

TEST_F(PreferenceTest, TokensNeedNoTextModel) {
  const auto pair = EncodePair(
      Json::parse(R"({"prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4, 5]})"), 6,
      nullptr);
  ASSERT_TRUE(pair) << pair.error().message;
  EXPECT_THAT(pair->chosen.tokens, ElementsAre(1, 2, 3));
  EXPECT_THAT(pair->chosen.labels, ElementsAre(-100, -100, 3));
  EXPECT_THAT(pair->rejected.labels, ElementsAre(-100, -100, 4, 5));
}

TEST_F(PreferenceTest, BrokenRowsSayWhatIsWrong) {
  const auto error = [&](const std::string& row) {
    const auto pair = Encode(row);
    EXPECT_FALSE(pair) << row;
    return pair ? std::string() : pair.error().message;
  };
  EXPECT_THAT(error(R"({"prompt": "p", "chosen": "a"})"), HasSubstr("\"rejected\" must be"));
  EXPECT_THAT(error(R"({"prompt": "p", "chosen": "a", "rejected": 3})"), HasSubstr("\"rejected\""));
  EXPECT_THAT(error(R"({"prompt": "p", "chosen": "a", "rejected": "a"})"), HasSubstr("the same"));
  EXPECT_THAT(error(R"({"chosen": "a", "rejected": "a"})"), HasSubstr("the same"));
  EXPECT_THAT(error(R"({"prompt": "p", "chosen": "", "rejected": "a"})"),
              HasSubstr("\"chosen\" is empty"));
  EXPECT_THAT(error(R"({"prompt_ids": [1], "chosen_ids": [], "rejected_ids": [2]})"),
              HasSubstr("\"chosen\" has nothing behind the prompt"));
  EXPECT_THAT(error(R"({"prompt_ids": [1], "chosen_ids": [3], "rejected_ids": [99999]})"),
              HasSubstr("\"rejected\": label 99999 at position 1"));
  EXPECT_THAT(error(R"({"chosen": [{"role": "assistant", "content": "a"}],
                        "rejected": [{"role": "assistant", "content": "b"}]})"),
              HasSubstr("no prompt"));
  EXPECT_THAT(error(R"({"chosen": [{"role": "user", "content": "a"}], "rejected": "b"})"),
              HasSubstr("list of messages"));
  EXPECT_THAT(error(R"({"chosen": [1], "rejected": [1, 2]})"), HasSubstr("messages[0]"));
}

TEST_F(PreferenceTest, ATemplateThatRewritesThePromptIsRefused) {
  ChatSettings chat{.chat_template =
                        "{{ messages | length }}{% for m in messages %}{{ m.content }}"
                        "{% endfor %}"};
  tokenizer::ModelTokenizer stock{tokenizer::LoadGoldenTokenizer("smollm2"), std::nullopt, "", ""};
  const TextModel rewriting = TextModel::Create(std::move(stock), chat).value();
  const auto pair =
      EncodePair(Json::parse(R"({"chosen": [{"role": "user", "content": "a"}, {"role": "assistant",
                      "content": "b"}], "rejected": [{"role": "user", "content": "a"}, {"role":
                      "assistant", "content": "c"}]})"),
                 49152, &rewriting);
  ASSERT_FALSE(pair);
  EXPECT_THAT(pair.error().message, HasSubstr("renders the prompt otherwise"));
}

}  // namespace
}  // namespace lathe::trainer::data
