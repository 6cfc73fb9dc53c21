#include "common/yaml/reader.h"

#include <gmock/gmock.h>

namespace lathe::yaml {
namespace {

using testing::ElementsAre;

/// "{", "}", "[", "]", "---", "*alias", "text", 'quoted'; before them &anchor and !tag.
std::vector<std::string> Events(std::string_view text) {
  std::vector<std::string> events;
  Reader reader(text);
  while (true) {
    const auto event = reader.Next();
    if (!event) {
      const Mark& mark = event.error().mark;
      events.push_back(std::to_string(mark.line) + ":" + std::to_string(mark.column) + " " +
                       std::string(event.error().reason));
      return events;
    }
    std::string shown = event->kind == EventKind::kAlias ? "*" : event->anchor.empty() ? "" : "&";
    shown += std::string(event->anchor) + (event->tag.empty() ? "" : "!" + std::string(event->tag));
    switch (event->kind) {
      case EventKind::kDocumentStart:
        shown += "---";
        break;
      case EventKind::kAlias:
        break;
      case EventKind::kScalar:
        shown += event->plain ? std::string(event->text) : "'" + std::string(event->text) + "'";
        break;
      case EventKind::kListStart:
        shown += "[";
        break;
      case EventKind::kListEnd:
        shown += "]";
        break;
      case EventKind::kMapStart:
        shown += "{";
        break;
      case EventKind::kMapEnd:
        shown += "}";
        break;
      case EventKind::kTextEnd:
        return events;
    }
    events.push_back(shown);
  }
}

TEST(YamlReader, GivesEventsInTheOrderOfTheText) {
  EXPECT_THAT(Events("a: 1\nb: [x, 'y', \"z\\n\"]\n"),
              ElementsAre("---", "{", "a", "1", "b", "[", "x", "'y'", "'z\n'", "]", "}"));
  EXPECT_THAT(Events("--- 1\n--- 2\n"), ElementsAre("---", "1", "---", "2"));
  EXPECT_THAT(Events("{\"a\":1,\"b\":{}}"),
              ElementsAre("---", "{", "'a'", "1", "'b'", "{", "}", "}"));
  EXPECT_THAT(Events(""), ElementsAre());
  EXPECT_THAT(Events("\xEF\xBB\xBF# a mark\n"), ElementsAre());
}

TEST(YamlReader, NamesAnchorsAliasesAndTags) {
  EXPECT_THAT(Events("a: &x !!str 1\nb: *x\nc: &y !m {}\nd: &z [!n []]"),
              ElementsAre("---", "{", "a", "&x!tag:yaml.org,2002:str1", "b", "*x", "c", "&y!!m{",
                          "}", "d", "&z[", "!!n[", "]", "]", "}"));
}

TEST(YamlReader, SaysWhereAndWhatIsWrong) {
  EXPECT_THAT(
      Events("a: 1\n b: 2\n"),
      ElementsAre("---", "{", "a", "1 b", "2:3 mapping values are not allowed in this context"));
  EXPECT_THAT(Events("a: 1\nb\x01: 2\n"), ElementsAre("2:2 control characters are not allowed"));
  EXPECT_THAT(Events("a: \xff"), ElementsAre("1:4 invalid leading UTF-8 octet"));
  EXPECT_THAT(Events("a: [1"),
              ElementsAre("---", "{", "a", "[", "1", "1:6 did not find expected ',' or ']'"));
}

TEST(YamlReader, MarksWhereAnEventBegins) {
  Reader reader("a:\n  b: 1\n");
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(reader.Next());
  }
  const auto event = reader.Next();
  ASSERT_TRUE(event);
  EXPECT_EQ(event->text, "b");
  EXPECT_EQ(event->mark.line, 2U);
  EXPECT_EQ(event->mark.column, 3U);
}

TEST(YamlReader, TheEndStaysTheEnd) {
  Reader reader("1");
  while (reader.Next()->kind != EventKind::kTextEnd) {
  }
  EXPECT_EQ(reader.Next()->kind, EventKind::kTextEnd);
}

}  // namespace
}  // namespace lathe::yaml
