#include "common/yaml/writer.h"

#include <gtest/gtest.h>

#include "common/yaml/reader.h"

namespace lathe::yaml {
namespace {

TEST(YamlWriter, WritesBlocks) {
  Writer out;
  out.BeginMap();
  out.String("list");
  out.BeginList();
  out.Bare("1");
  out.String("a b");
  out.EndList();
  out.String("none");
  out.BeginMap();
  out.EndMap();
  out.String("nil");
  out.BeginList();
  out.EndList();
  out.EndMap();
  EXPECT_EQ(out.Take(), "list:\n- 1\n- a b\nnone: {}\nnil: []\n");
}

std::string Written(std::string_view text) {
  Writer out;
  out.BeginList();
  out.String(text);
  out.EndList();
  return out.Take();
}

TEST(YamlWriter, QuotesWhatAReaderCouldTakeForSomethingElse) {
  for (const char* text : {"8", "-1", "+1", ".5", "true", "No", "null", "~", "", "y"}) {
    EXPECT_EQ(Written(text), "- \"" + std::string(text) + "\"\n");
  }
  EXPECT_EQ(Written("a\nb"), "- \"a\\nb\"\n");
  EXPECT_EQ(Written("plain text: no"), "- 'plain text: no'\n");
  EXPECT_EQ(Written("gr\xC3\xBC\xC3\x9F"), "- gr\xC3\xBC\xC3\x9F\n");
}

TEST(YamlWriter, EveryStringReadsBackAsItself) {
  for (const std::string text : {"# no comment",
                                 "a: b",
                                 "- a",
                                 "*x",
                                 "&x",
                                 "!t",
                                 "%d",
                                 "@",
                                 "`",
                                 "{",
                                 "]",
                                 ",",
                                 "?",
                                 "|",
                                 ">",
                                 "'",
                                 "\"",
                                 "\\",
                                 " a ",
                                 "a\tb",
                                 "a\r\nb",
                                 "\x01\x1f",
                                 "---",
                                 "...",
                                 "\xF0\x9F\x98\x80"}) {
    const std::string document = Written(text);
    Reader reader(document);
    reader.Next();
    reader.Next();
    const auto event = reader.Next();
    ASSERT_TRUE(event) << document;
    EXPECT_EQ(event->text, text) << document;
  }
}

TEST(YamlWriter, KeepsWhatItCanOfTextThatIsNotUtf8) {
  EXPECT_EQ(Written("a\xFFz"), "- a\xEF\xBF\xBDz\n");
}

TEST(YamlWriter, LongTextStaysOnItsLine) {
  const std::string text = std::string(300, 'a') + " " + std::string(300, 'b');
  EXPECT_EQ(Written(text), "- " + text + "\n");
}

}  // namespace
}  // namespace lathe::yaml
