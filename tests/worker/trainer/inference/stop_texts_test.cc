#include "worker/trainer/inference/stop_texts.h"

#include <gtest/gtest.h>

namespace lathe::trainer::inference {
namespace {

/// What is shown of a text that comes in pieces of this many bytes.
std::string Shown(const std::string& text, const std::vector<std::string>& stops,
                  std::size_t size) {
  StopTexts stop_texts(stops);
  std::string shown;
  for (std::size_t at = 0; at < text.size() && !stop_texts.found(); at += size) {
    shown += stop_texts.Push(std::string_view(text).substr(at, size));
  }
  return shown + stop_texts.Finish();
}

TEST(StopTextsTest, AnAnswerEndsBeforeTheFirstStopTextHoweverItComes) {
  for (std::size_t size = 1; size < 20; ++size) {
    EXPECT_EQ(Shown("one END two STOP", {"STOP", "END"}, size), "one ");
    EXPECT_EQ(Shown("aaab", {"aab"}, size), "a");
    EXPECT_EQ(Shown("abab!", {"ababc", "b!"}, size), "aba");
    EXPECT_EQ(Shown("nothing", {"END"}, size), "nothing");
    EXPECT_EQ(Shown("the EN", {"END"}, size), "the EN");
    EXPECT_EQ(Shown("text", {}, size), "text");
  }
}

TEST(StopTextsTest, OnlyWhatMayBecomeAStopTextIsHeldBack) {
  StopTexts stop_texts({"\n\n", "###"});
  EXPECT_EQ(stop_texts.Push("a#"), "a");
  EXPECT_EQ(stop_texts.Push("b\n"), "#b");
  EXPECT_EQ(stop_texts.Push("c"), "\nc");
  EXPECT_FALSE(stop_texts.found());
  EXPECT_EQ(stop_texts.Push("d\n\ne"), "d");
  EXPECT_TRUE(stop_texts.found());
  EXPECT_EQ(stop_texts.Push("more"), "");
  EXPECT_EQ(stop_texts.Finish(), "");
}

}  // namespace
}  // namespace lathe::trainer::inference
