#include "worker/trainer/scoring/chrf.h"

#include <gtest/gtest.h>

namespace lathe::trainer::scoring {
namespace {

struct Case {
  const char* text;
  const char* reference;
  double value;
};

/// What sacrebleu 2.6.0 says: CHRF().sentence_score(text, [reference]).score / 100.
constexpr Case kCases[] = {
    {"the cat sat on the mat", "the cat is on the mat", 0.645779420625287},
    {"kitten", "sitting", 0.19025078890549743},
    {"日本語のテキスト", "日本のテキストです", 0.40519604150974975},
    {"abc", "xyz", 0},
    {"Hello, world!", "hello world", 0.46123358414818777},
    {"a", "ab", 0.5555555555555556},
    {"aaaa aaaa", "aaa", 0.6556603773584907},
};

TEST(ChrF, IsWhatTheReferenceSays) {
  for (const Case& c : kCases) EXPECT_NEAR(ChrF(c.text, c.reference), c.value, 1e-12) << c.text;
}

TEST(ChrF, EndsAreOneAndZero) {
  EXPECT_EQ(ChrF("The same.", "The same."), 1);
  EXPECT_EQ(ChrF(" the\tsame\n", "thesame"), 1);
  EXPECT_EQ(ChrF("", ""), 1);
  EXPECT_EQ(ChrF("", "something"), 0);
  EXPECT_EQ(ChrF("something", " "), 0);
  EXPECT_GT(ChrF("\xff\xfe", "\xff"), 0);
}

}  // namespace
}  // namespace lathe::trainer::scoring
