#include "worker/trainer/data/row.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/worker/trainer/data/golden_model.h"

namespace lathe::trainer::data {
namespace {

using Json = nlohmann::ordered_json;

class RowTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { model_ = new TextModel(GoldenModel("smollm2", "chat_template")); }
  static void TearDownTestSuite() { delete model_; }

  static Result<Example> Encode(const char* row, LossOn loss_on = LossOn::kFormatDefault) {
    const Json parsed = Json::parse(row);
    return EncodeRow(parsed, {DetectFormat(parsed).value(), loss_on, 49152}, model_);
  }
  /// The text of the tokens that have a label.
  static std::string Targets(const Example& example) {
    std::vector<std::int32_t> ids;
    for (const std::int64_t label : example.labels) {
      if (label != kIgnoredLabel) ids.push_back(static_cast<std::int32_t>(label));
    }
    return model_->tokenizer().Decode(ids);
  }
  static std::string Text(const Example& example) {
    return model_->tokenizer().Decode(
        std::vector<std::int32_t>(example.tokens.begin(), example.tokens.end()));
  }
  static inline TextModel* model_ = nullptr;
};

TEST_F(RowTest, EveryFormatTakesLossOnItsAnswer) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})",
       "a<|im_end|>\n"},
      {R"({"instruction": "do", "input": "this", "output": "done"})", "done<|im_end|>\n"},
      {R"({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "b"}]})",
       "b<|im_end|>\n"},
      {R"({"prompt": "2+2=", "completion": " 4"})", " 4<|im_end|>"},
      {R"({"prompt": [{"role": "user", "content": "q"}],
           "completion": [{"role": "assistant", "content": "c"}]})",
       "c<|im_end|>\n"},
      {R"({"text": "all of it"})", "all of it<|im_end|>"},
      {R"({"input_ids": [5, 6, 7], "labels": [-100, -100, 7]})", "<reponame>"},
  };
  for (const auto& [row, targets] : cases) {
    const auto example = Encode(row);
    ASSERT_TRUE(example) << row << example.error().message;
    EXPECT_EQ(example->tokens.size(), example->labels.size());
    if (Json::parse(row).contains("input_ids")) {
      EXPECT_THAT(example->labels, testing::ElementsAre(-100, -100, 7));
    } else {
      EXPECT_EQ(Targets(*example), targets) << row;
    }
  }
}

TEST_F(RowTest, InstructionsBecomeConversations) {
  const auto example =
      Encode(R"({"instruction": "do", "input": "this", "output": "done", "system": "S"})");
  EXPECT_EQ(Text(*example),
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\ndo\n\nthis<|im_end|>\n"
            "<|im_start|>assistant\ndone<|im_end|>\n");
}

TEST_F(RowTest, LossOnEverythingCoversTheInputs) {
  const auto chat = Encode(
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]})",
      LossOn::kEverything);
  EXPECT_EQ(Targets(*chat), Text(*chat));
  const auto pair = Encode(R"({"prompt": "ab", "completion": "cd"})", LossOn::kEverything);
  EXPECT_EQ(Targets(*pair), "abcd<|im_end|>");
}

TEST_F(RowTest, BrokenRowsSayWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"messages": [{"role": "user", "content": "q"}]})", "nothing in it is to be learnt"},
      {R"({"messages": 7})", "needs \"messages\""},
      {R"({"prompt": "a", "completion": ""})", "completion"},
      {R"({"prompt": "a", "completion": 3})", "completion"},
      {R"({"prompt": [], "completion": "x"})", "list of messages"},
      {R"({"instruction": 1, "output": "x"})", "instruction"},
      {R"({"conversations": [{"from": "alien", "value": "x"}]})", "alien"},
      {R"({"conversations": [{"from": "gpt"}]})", "conversations[0]"},
      {R"({"text": ""})", "empty"},
      {R"({"input_ids": [1, 2], "labels": [1]})", "1 elements"},
      {R"({"input_ids": [1, 99999999], "labels": [1, 2]})", "position 1"},
      {R"({"input_ids": [1, 2], "labels": [1, -100]})", "nothing in it is to be learnt"},
      {R"({"input_ids": [1.5], "labels": [1]})", "integers"},
  };
  for (const auto& [row, reason] : cases) {
    const auto example = Encode(row);
    ASSERT_FALSE(example) << row;
    EXPECT_THAT(example.error().message, testing::HasSubstr(reason));
  }
  EXPECT_FALSE(Encode(R"({"text": "x"})", LossOn::kCompletions));
}

TEST(Formats, NamesAndKeys) {
  EXPECT_EQ(FormatFromName("sharegpt"), Format::kShareGpt);
  EXPECT_EQ(FormatFromName("auto"), std::nullopt);
  EXPECT_EQ(ToString(Format::kPromptCompletion), "prompt_completion");
  EXPECT_EQ(DetectFormat(Json::parse(R"({"a": 1})")), std::nullopt);
  EXPECT_EQ(DetectFormat(Json::parse("[]")), std::nullopt);
}

}  // namespace
}  // namespace lathe::trainer::data
