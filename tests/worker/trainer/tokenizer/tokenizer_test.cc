#include "worker/trainer/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"
#include "tests/worker/trainer/tokenizer/golden.h"

namespace lathe::trainer::tokenizer {
namespace {

class Golden : public testing::TestWithParam<const char*> {};

TEST_P(Golden, IdsEqualTheReferenceOnEveryString) {
  const Tokenizer& tokenizer = GoldenTokenizer(GetParam());
  for (const auto& vector : GoldenVectors(GetParam())) {
    const auto text = vector["text"].get<std::string>();
    EXPECT_EQ(tokenizer.Encode(text).value(), vector["ids"].get<std::vector<std::int32_t>>())
        << vector["i"] << ": " << text;
    EXPECT_EQ(tokenizer.Encode(text, SpecialTokens::kAdd).value(),
              vector["ids_special"].get<std::vector<std::int32_t>>());
  }
}

TEST_P(Golden, DecodedTextEqualsTheReference) {
  const Tokenizer& tokenizer = GoldenTokenizer(GetParam());
  for (const auto& vector : GoldenVectors(GetParam())) {
    const auto ids = vector["ids"].get<std::vector<std::int32_t>>();
    EXPECT_EQ(tokenizer.Decode(ids), vector["decoded"].get<std::string>()) << vector["i"];
    StreamDecoder stream(tokenizer, ControlTokens::kShow);
    std::string text;
    for (const std::int32_t id : ids) text += stream.Push(id);
    EXPECT_EQ(text + stream.Finish(), vector["decoded"].get<std::string>()) << vector["i"];
  }
}

TEST_P(Golden, RangesCoverTheTextInOrder) {
  const Tokenizer& tokenizer = GoldenTokenizer(GetParam());
  for (const auto& vector : GoldenVectors(GetParam())) {
    const auto text = vector["text"].get<std::string>();
    const Encoding encoding = tokenizer.EncodeWithRanges(text).value();
    ASSERT_EQ(encoding.ids.size(), encoding.ranges.size());
    std::size_t last = 0;
    for (const ByteRange range : encoding.ranges) {
      EXPECT_LE(last, range.begin + 3) << "ranges go forwards";
      EXPECT_LE(range.end, text.size());
      last = range.end;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Golden,
                         testing::Values("smollm2", "qwen3", "deepseek", "claude", "mistral_v1",
                                         "mistral_v1_metaspaced", "mistral_v1_unprefixed",
                                         "mistral_v1_split_words"));

TEST(TokenizerTest, RangesSayWhereATokenStands) {
  const Tokenizer& tokenizer = GoldenTokenizer("smollm2");
  const std::string text = "a b<|im_end|>c";
  const Encoding encoding = tokenizer.EncodeWithRanges(text).value();
  EXPECT_THAT(encoding.ranges, testing::ElementsAre(ByteRange{0, 1}, ByteRange{1, 3},
                                                    ByteRange{3, 13}, ByteRange{13, 14}));
}

TEST(TokenizerTest, RangesPointIntoTheTextBeforeNormalisation) {
  const Tokenizer& tokenizer = GoldenTokenizer("qwen3");
  const std::string text = "e\xCC\x81 x";  // "e" and a combining accent: one letter after NFC.
  const Encoding encoding = tokenizer.EncodeWithRanges(text).value();
  ASSERT_EQ(encoding.ids.size(), 2U);
  EXPECT_EQ(encoding.ranges[0], (ByteRange{0, 3}));
  EXPECT_EQ(encoding.ranges[1], (ByteRange{3, 5}));
}

TEST(TokenizerTest, ControlTokensCanBeLeftOut) {
  const Tokenizer& tokenizer = GoldenTokenizer("smollm2");
  const auto ids = tokenizer.Encode("hi<|im_end|>").value();
  EXPECT_EQ(tokenizer.Decode(ids), "hi<|im_end|>");
  EXPECT_EQ(tokenizer.Decode(ids, ControlTokens::kSkip), "hi");
  EXPECT_TRUE(tokenizer.IsControl(tokenizer.IdOf("<|im_end|>").value()));
  EXPECT_FALSE(tokenizer.IsControl(-1));
  EXPECT_EQ(tokenizer.BytesOf(1 << 30), "");
}

TEST(TokenizerTest, StreamsHoldBackHalfCharacters) {
  const Tokenizer& tokenizer = GoldenTokenizer("smollm2");
  const auto ids = tokenizer.Encode("\xF0\x9F\xA6\x99").value();  // A llama, several tokens.
  ASSERT_GT(ids.size(), 1U);
  StreamDecoder stream(tokenizer, ControlTokens::kShow);
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) EXPECT_EQ(stream.Push(ids[i]), "");
  EXPECT_EQ(stream.Push(ids.back()), "\xF0\x9F\xA6\x99");
  stream.Push(ids[0]);
  EXPECT_EQ(stream.Finish(), "\xEF\xBF\xBD");
}

TEST(TokenizerTest, RefusesTextThatIsNotUtf8) {
  const Tokenizer& tokenizer = GoldenTokenizer("smollm2");
  EXPECT_EQ(tokenizer.Encode("\xFF").error().code, ErrorCode::kInvalidArgument);
}

TEST(TokenizerTest, RandomTextSurvivesTheRoundTrip) {
  const Tokenizer& tokenizer = GoldenTokenizer("smollm2");
  const std::string_view parts[] = {"a",  " ",      "\n", "7",  "\xC3\xA9", "\xE4\xB8\xAD",
                                    "<|", "im_end", "|>", "\t", "'s",       "\xF0\x9F\x98\x80"};
  Random random(3);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (std::uint64_t i = random.Below(40); i > 0; --i) text += parts[random.Below(12)];
    ASSERT_EQ(tokenizer.Decode(tokenizer.Encode(text).value()), text);
  }
}

TEST(TokenizerTest, AHugeWordTakesNoQuadraticTime) {
  const Tokenizer& tokenizer = GoldenTokenizer("smollm2");
  const std::string word(1 << 20, 'a');
  EXPECT_EQ(tokenizer.Decode(tokenizer.Encode(word).value()), word);
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
