// Python's calls: what of its literals is read, to the value, and what is none of ours.

#include "worker/trainer/scoring/python_calls.h"

#include <gmock/gmock.h>

namespace lathe::trainer::scoring {
namespace {

using Json = nlohmann::json;
using testing::ElementsAre;

/// What a call has for a value; discarded when it cannot be read to its end.
Json ValueOf(const std::string& text) {
  const std::string call = "f(a=" + text + ")";
  const auto read = ReadPythonCalls(call);
  if (!read || read->end != call.size()) return Json(Json::value_t::discarded);
  return read->calls.at(0).arguments.at("a");
}

bool IsRead(const std::string& text) {
  return ReadPythonCalls(text).has_value();
}

TEST(PythonCalls, AreReadToTheirEnd) {
  const std::string text = " [ get_weather( city = \"Paris\" ,days=3,),\n a.b-c() , ] x";
  const auto read = ReadPythonCalls(text);
  ASSERT_TRUE(read);
  EXPECT_THAT(read->calls, ElementsAre(ToolCall{"get_weather", {{"city", "Paris"}, {"days", 3}}},
                                       ToolCall{"a.b-c", Json::object()}));
  EXPECT_EQ(read->end, text.size() - 2);
  const auto alone = ReadPythonCalls("f(x=1), g()");
  ASSERT_TRUE(alone);
  EXPECT_THAT(alone->calls, ElementsAre(ToolCall{"f", {{"x", 1}}}));
  EXPECT_EQ(alone->end, 6U);
}

TEST(PythonCalls, Values) {
  const std::pair<const char*, Json> values[] = {{"1", 1},
                                                 {"-1_000", -1000},
                                                 {"+2", 2},
                                                 {"1.5", 1.5},
                                                 {".5", 0.5},
                                                 {"5.", 5.0},
                                                 {"-1e-3", -0.001},
                                                 {"123456789012345678901", 123456789012345678901.0},
                                                 {"True", true},
                                                 {"false", false},
                                                 {"None", nullptr},
                                                 {"null", nullptr},
                                                 {"[]", Json::array()},
                                                 {"[1, 'a', [None,],]", {1, "a", {nullptr}}},
                                                 {"()", Json::array()},
                                                 {"(1)", 1},
                                                 {"(1,)", Json::array({1})},
                                                 {"(1, 2)", {1, 2}},
                                                 {"{}", Json::object()},
                                                 {"{'a': {\"b\": 1.0,},}", {{"a", {{"b", 1}}}}}};
  for (const auto& [text, value] : values) EXPECT_EQ(ValueOf(text), value) << text;
}

TEST(PythonCalls, Strings) {
  const std::pair<const char*, const char*> strings[] = {
      {R"("")", ""},
      {R"('it\'s "so"')", "it's \"so\""},
      {R"("a\n\t\\b\/")", "a\n\t\\b\\/"},
      {R"("\x41\101\u00e9\U0001F600")", "AA\xC3\xA9\xF0\x9F\x98\x80"},
      {R"("\ud83d\ude00")", "\xF0\x9F\x98\x80"},
      {"'a\\\nb'", "ab"},
      {R"("\d{2}")", "\\d{2}"},
      {"'), g(b=\"'", "), g(b=\""},
      {"'\xE6\x97\xA5'", "\xE6\x97\xA5"}};
  for (const auto& [text, value] : strings) EXPECT_EQ(ValueOf(text), Json(value)) << text;
}

TEST(PythonCalls, WhatIsNoLiteralIsNoCall) {
  for (const char* text : {"",
                           "x",
                           "f(1)",
                           "1 + 1",
                           "-",
                           "- 1",
                           "1__0",
                           "1_",
                           "007",
                           "0x1F",
                           "1e",
                           "1e999",
                           "3px",
                           "'a",
                           "'a\"",
                           "'a\nb'",
                           "'a' 'b'",
                           "b'a'",
                           "f'a'",
                           "\"\"\"a\"\"\"",
                           R"('\x4')",
                           R"('\ud83d')",
                           R"('\ud83dx')",
                           R"('\ude00')",
                           R"('\U00110000')",
                           R"('\N{DASH}')",
                           "'\\",
                           "'\xFF'",
                           "{1: 2}",
                           "{'a'}",
                           "{'a': 1, 'a': 2}",
                           "{'a': 1 'b': 2}",
                           "[1 2]",
                           "[,]",
                           "[1,,]",
                           "(,)",
                           "[1",
                           "{'a':",
                           "TRUE",
                           "nan",
                           "*x"}) {
    EXPECT_TRUE(ValueOf(text).is_discarded()) << text << " is " << ValueOf(text);
  }
}

TEST(PythonCalls, WhatIsNotWholeIsNone) {
  for (const char* text : {"",           " ",           "[",         "[]",
                           "f",          "[f]",         "f(",        "f(a",
                           "f(a=",       "f(a=1",       "f(a=1,",    "f(,)",
                           "f(a=1 b=2)", "f(a=1, a=2)", "f(1)",      "f(**{'a': 1})",
                           "[f()",       "[f(),",       "[f() g()]", "[f(),,]",
                           "1f()",       "-f()",        "f(1a=2)",   "f(a-b=1)",
                           "\xFF()",     "f(a='\xC3')"}) {
    EXPECT_FALSE(IsRead(text)) << text;
  }
}

TEST(PythonCalls, DepthHasAnEnd) {
  const auto nested = [](std::size_t depth, char open, char close) {
    return "f(a=" + std::string(depth, open) + std::string(depth, close) + ")";
  };
  EXPECT_TRUE(IsRead(nested(64, '[', ']')));
  EXPECT_FALSE(IsRead(nested(65, '[', ']')));
  EXPECT_FALSE(IsRead(nested(1 << 20, '[', ']')));
  EXPECT_FALSE(IsRead(nested(1 << 20, '(', ')')));
  EXPECT_FALSE(IsRead("f(a=" + std::string(1 << 20, '[')));
}

}  // namespace
}  // namespace lathe::trainer::scoring
