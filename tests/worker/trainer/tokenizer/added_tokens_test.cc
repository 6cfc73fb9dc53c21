#include "worker/trainer/tokenizer/added_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lathe::trainer::tokenizer {
namespace {

/// "[7:abc]" for a token, "text" for a plain part, joined by '/'.
std::string Show(std::vector<AddedToken> tokens, std::string_view text) {
  const auto splitter = AddedTokenSplitter::Create(std::move(tokens)).value();
  std::string shown;
  const auto sections = splitter.Split(text).value();
  for (const Section& section : sections) {
    if (!shown.empty()) shown += '/';
    const std::string part(
        text.substr(section.range.begin, section.range.end - section.range.begin));
    shown += section.id ? "[" + std::to_string(*section.id) + ":" + part + "]" : part;
  }
  return shown;
}

TEST(AddedTokens, LeftmostLongestWins) {
  const std::vector<AddedToken> tokens = {{"<a", 1}, {"<a>", 2}, {"a>", 3}};
  EXPECT_EQ(Show(tokens, "x<a>y<a"), "x/[2:<a>]/y/[1:<a]");
  EXPECT_EQ(Show(tokens, "a>"), "[3:a>]");
  EXPECT_EQ(Show(tokens, "plain"), "plain");
  EXPECT_EQ(Show(tokens, ""), "");
}

TEST(AddedTokens, StripTakesWhiteSpaceAlong) {
  EXPECT_EQ(Show({{.content = "<m>", .id = 5, .lstrip = true}}, "a \n<m> b"), "a/[5: \n<m>]/ b");
  EXPECT_EQ(Show({{.content = "<m>", .id = 5, .rstrip = true}},
                 "a <m> \xC2\xA0"
                 "b"),
            "a /[5:<m> \xC2\xA0]/b");
}

TEST(AddedTokens, SingleWordsStandAlone) {
  const AddedToken token{.content = "cat", .id = 9, .single_word = true};
  EXPECT_EQ(Show({token},
                 "concat cat cats \xC3\xA9"
                 "cat!"),
            "concat /[9:cat]/ cats \xC3\xA9"
            "cat!");
}

TEST(AddedTokens, EmptyContentNeverMatches) {
  EXPECT_EQ(Show({{"", 1}}, "ab"), "ab");
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
