#include <gmock/gmock.h>

#include "common/schema/tree_internal.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string Json(const char* yaml) {
  const Parsed parsed = FromYaml(yaml);
  EXPECT_THAT(Brief(parsed.findings), IsEmpty()) << yaml;
  return ToJson(parsed.configuration);
}

TEST(YamlTest, TypesPlainScalarsByTheCoreSchema) {
  EXPECT_EQ(
      Json("metadata: {a: 1, b: '1', c: true, d: yes, e: ~, f: 1e3, g: .5, h: 0x1F, i: 0o17}"),
      R"({"metadata":{"a":1,"b":"1","c":true,"d":"yes","e":null,"f":1000,"g":0.5,"h":31,"i":15}})");
  EXPECT_EQ(Json("metadata: {a: +5, b: -5, c: 1.2.3, d: 08, e: \"\", f: , g: !!str 5, h: 1_000}"),
            R"({"metadata":{"a":5,"b":-5,"c":"1.2.3","d":8,"e":"","f":null,"g":"5","h":"1_000"}})");
}

TEST(YamlTest, WhatOnlyLooksLikeANumberIsText) {
  EXPECT_EQ(Json("metadata: {a: -, b: ., c: 1e, d: 0x, e: 0xg, f: 0x-1, g: +-1, h: e5, i: 0o8}"),
            R"({"metadata":{"a":"-","b":".","c":"1e","d":"0x","e":"0xg","f":"0x-1","g":"+-1",)"
            R"("h":"e5","i":"0o8"}})");
  EXPECT_EQ(Json("metadata: {a: -.5, b: 5., c: +1.5e-2, d: -0}"),
            R"({"metadata":{"a":-0.5,"b":5,"c":0.015,"d":0}})");
}

TEST(YamlTest, JsonIsYaml) {
  const std::string text = FileText(SourceFolder() / "tests/golden/configurations/good/full.json");
  const Parsed yaml = FromYaml(text);
  EXPECT_THAT(Brief(yaml.findings), IsEmpty());
  EXPECT_EQ(ToJson(yaml.configuration), ToJson(FromJson(text).configuration));
}

TEST(YamlTest, AnEmptyDocumentIsAnEmptyConfiguration) {
  EXPECT_EQ(Json(""), "{}");
  EXPECT_EQ(Json("# nothing\n"), "{}");
}

TEST(YamlTest, AliasesAreReadAndBombsAreNot) {
  EXPECT_EQ(Json("metadata: {a: &x [1, 2], b: *x}"), R"({"metadata":{"a":[1,2],"b":[1,2]}})");
  std::string bomb = "metadata:\n  a0: &a0 [x]\n";
  for (int i = 1; i < 25; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "  a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last + ", " + last +
            ", " + last + ", " + last + "]\n";
  }
  const Parsed parsed = FromYaml(bomb);
  ASSERT_EQ(parsed.findings.size(), 1U);
  EXPECT_EQ(parsed.findings[0].code, "too_deep");
}

TEST(YamlTest, DeepNestingIsRefused) {
  const std::string text = "metadata: " + std::string(3000, '[') + std::string(3000, ']');
  EXPECT_EQ(FromYaml(text).findings.size(), 1U);
}

TEST(YamlTest, ControlCharactersAreRefusedBeforeTheyAreRead) {
  // The reader of YAML would never come to the end of this one.
  const std::string endless(",model: {\0\0\0\0\0\0\0\0l: a}\n---\nm: {b: c}\n", 38);
  EXPECT_THAT(Brief(FromYaml(endless).findings), ElementsAre("error line 1 syntax_error"));
  EXPECT_THAT(Brief(FromYaml("seed: 1\nname: \x04").findings),
              ElementsAre("error line 2 syntax_error"));
  EXPECT_THAT(FromYaml("seed:\t1\r\n").findings, testing::IsEmpty());
}

TEST(YamlTest, ComesToTheEndOfBrokenDocuments) {
  for (const char* text : {",a: {b: c}\n---\nd: e}\n", ",", "]", "}: ]", "a: 1\n}\n", "- a\n, b"}) {
    EXPECT_TRUE(HasErrors(FromYaml(text).findings)) << text;
  }
}

TEST(YamlTest, AliasesOfThemselvesAndKeysThatAreNotTextAreRefused) {
  EXPECT_THAT(Brief(FromYaml("metadata: &a {b: [1, *a]}").findings),
              ElementsAre("error metadata.b[1] syntax_error"));
  EXPECT_THAT(Brief(FromYaml("metadata: {? {a: 1} : 2, b: 3}").findings),
              ElementsAre("error metadata bad_key"));
  EXPECT_EQ(ToJson(FromYaml("metadata: {~: {x: 1}, b: 3}").configuration),
            R"({"metadata":{"b":3}})");
}

TEST(YamlTest, RefusesWhatIsNotUtf8AndKeysThatAreNotText) {
  EXPECT_TRUE(HasErrors(FromYaml("metadata: {a: \"\\xff\xff\"}").findings));
  EXPECT_THAT(Brief(FromYaml("metadata: {[1]: 2}").findings),
              ElementsAre("error metadata bad_key"));
}

/// Against the JSON library, whose writer refuses what is not UTF-8.
TEST(YamlTest, KnowsUtf8) {
  const auto writes = [](const std::string& text) {
    try {
      return !nlohmann::json(text).dump().empty();
    } catch (const nlohmann::json::exception&) {
      return false;
    }
  };
  const unsigned edges[] = {0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF};
  for (unsigned first = 0x70; first <= 0xFF; ++first) {
    for (const unsigned second : edges) {
      for (const unsigned third : edges) {
        const std::string text{static_cast<char>(first), static_cast<char>(second),
                               static_cast<char>(third), static_cast<char>(0xBF)};
        for (std::size_t length = 0; length <= text.size(); ++length) {
          const std::string part = text.substr(0, length);
          ASSERT_EQ(IsUtf8(part), writes(part)) << testing::PrintToString(part);
        }
      }
    }
  }
}

}  // namespace
}  // namespace lathe::schema
