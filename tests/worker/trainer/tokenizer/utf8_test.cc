#include "worker/trainer/tokenizer/utf8.h"

#include <gtest/gtest.h>

namespace lathe::trainer::tokenizer {
namespace {

TEST(Utf8, KnowsWhatIsValid) {
  for (const char* good : {"", "abc", "\xC3\xA9", "\xE4\xB8\xAD", "\xF0\x9F\x98\x80"}) {
    EXPECT_TRUE(IsValidUtf8(good)) << good;
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE4\xB8",
                          "\xE0\x80\x80", "\xF5\x80\x80\x80", "\xC3("}) {
    EXPECT_FALSE(IsValidUtf8(bad)) << bad;
  }
}

TEST(Utf8, ReplacesMaximalInvalidParts) {
  // The example of the Unicode standard's table 3-8, and one of table 3-11.
  EXPECT_EQ(ReplaceInvalid("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"),
            "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\x41");
  EXPECT_EQ(ReplaceInvalid("\xC0\xAF"), "\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(ReplaceInvalid("ok"), "ok");
}

TEST(Utf8, TheCompletePrefixEndsBeforeAnOpenCharacter) {
  EXPECT_EQ(CompletePrefix("ab\xF0\x9F\x98"), 2U);
  EXPECT_EQ(CompletePrefix("ab\xF0\x9F\x98\x80"), 6U);
  EXPECT_EQ(CompletePrefix("\xC3"), 0U);
  EXPECT_EQ(CompletePrefix("\x80\x80"), 2U);  // Cannot become valid: nothing to wait for.
  EXPECT_EQ(CompletePrefix(""), 0U);
}

TEST(Utf8, CharacterLengthIsOneWhereInvalid) {
  EXPECT_EQ(CharacterLength("\xE4\xB8\xAD", 0), 3U);
  EXPECT_EQ(CharacterLength("\xE4\xB8\xAD", 1), 1U);
}

}  // namespace
}  // namespace lathe::trainer::tokenizer
