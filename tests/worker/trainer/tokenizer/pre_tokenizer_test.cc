#include "worker/trainer/tokenizer/pre_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lathe::trainer::tokenizer {
namespace {

using testing::ElementsAre;

std::vector<std::string> Words(const PreTokenizer& splitter, std::string_view text) {
  std::vector<std::string> words;
  const auto ranges = splitter.Split(text).value();
  for (const ByteRange range : ranges) {
    words.emplace_back(text.substr(range.begin, range.end - range.begin));
  }
  return words;
}

std::vector<std::string> SplitBy(std::string_view pattern, SplitBehavior behavior, bool invert,
                                 std::string_view text) {
  PreTokenizer splitter;
  splitter.steps.push_back({Regex::Compile(pattern).value(), behavior, invert});
  return Words(splitter, text);
}

TEST(PreTokenizerTest, BehavioursDecideWhatBecomesOfAMatch) {
  const char* text = "a-bc--d";
  EXPECT_THAT(SplitBy("-", SplitBehavior::kRemoved, false, text), ElementsAre("a", "bc", "d"));
  EXPECT_THAT(SplitBy("-", SplitBehavior::kIsolated, false, text),
              ElementsAre("a", "-", "bc", "-", "-", "d"));
  EXPECT_THAT(SplitBy("-", SplitBehavior::kMergedWithPrevious, false, text),
              ElementsAre("a-", "bc-", "-", "d"));
  EXPECT_THAT(SplitBy("-", SplitBehavior::kMergedWithNext, false, text),
              ElementsAre("a", "-bc", "-", "-d"));
  EXPECT_THAT(SplitBy("-", SplitBehavior::kContiguous, false, text),
              ElementsAre("a", "-", "bc", "--", "d"));
  EXPECT_THAT(SplitBy("[a-z]+", SplitBehavior::kRemoved, true, text), ElementsAre("a", "bc", "d"));
}

TEST(PreTokenizerTest, StepsCutFurther) {
  PreTokenizer splitter;
  splitter.steps.push_back({Regex::Compile(R"(\p{N})").value()});
  splitter.steps.push_back({Regex::Compile(kGpt2Pattern).value()});
  EXPECT_THAT(Words(splitter, "it's  42!"), ElementsAre("it", "'s", "  ", "4", "2", "!"));
}

TEST(PreTokenizerTest, SpaceIsUnicodeWhiteSpace) {
  EXPECT_THAT(SplitBy(R"(\s)", SplitBehavior::kRemoved, false,
                      "a\xC2\x85"
                      "b\xC2\xA0"
                      "c\x0B"
                      "d"),
              ElementsAre("a", "b", "c", "d"));
  // U+180E is no white space since Unicode 6.3.
  EXPECT_THAT(SplitBy(R"([\s])", SplitBehavior::kRemoved, false,
                      "a\xE1\xA0\x8E"
                      "b"),
              ElementsAre("a\xE1\xA0\x8E"
                          "b"));
  EXPECT_THAT(SplitBy(R"(\S)", SplitBehavior::kRemoved, false, "\xE1\xA0\x8E \xE4\xB8\xAD"),
              ElementsAre(" "));
}

TEST(PreTokenizerTest, EmptyMatchesAndEmptyTextGiveNoWords) {
  EXPECT_THAT(SplitBy("x*", SplitBehavior::kIsolated, false, "\xC3\xA9x"),
              ElementsAre("\xC3\xA9", "x"));
  EXPECT_THAT(SplitBy("x", SplitBehavior::kIsolated, false, ""), ElementsAre());
}

TEST(RegexTest, BadPatternsAreNamed) {
  const auto compiled = Regex::Compile("a(b");
  ASSERT_FALSE(compiled);
  EXPECT_THAT(compiled.error().message, testing::HasSubstr("a(b"));
}

TEST(RegexTest, LiteralsMatchThemselves) {
  const Regex regex = Regex::Literal("a.b|\xC3\xA9").value();
  EXPECT_THAT(regex.FindAll("axb a.b|\xC3\xA9").value(), ElementsAre(ByteRange{4, 10}));
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
