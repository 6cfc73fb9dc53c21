#include "common/composition/composition_text.h"

#include <gmock/gmock.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "common/base/temp_dir.h"

namespace lathe::composition {
namespace {

using Json = nlohmann::ordered_json;
using testing::ElementsAre;
using testing::HasSubstr;

bool Never(const std::string&) {
  return false;
}

/// What is said to be wrong: "path: message", one a finding.
std::vector<std::string> Wrong(const std::string& given) {
  const auto parsed = ParseComposition(given, Never);
  EXPECT_FALSE(parsed) << given;
  std::vector<std::string> wrong;
  if (parsed) return wrong;
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  for (const Finding& finding : parsed.error().findings) {
    wrong.push_back(finding.path + ": " + finding.message);
  }
  return wrong;
}

TEST(CompositionText, ALineNamesMethodAdaptersAndWeights) {
  const auto parsed = ParseComposition("additive:job-a=0.7,job-b=-3e-1,job-c", Never);
  ASSERT_TRUE(parsed) << ToString(parsed.error());
  EXPECT_EQ(parsed->name, "additive:job-a=0.7,job-b=-3e-1,job-c");
  EXPECT_EQ(parsed->method, Method::kAdditive);
  ASSERT_EQ(parsed->members.size(), 3U);
  EXPECT_EQ(parsed->members[0].adapter, "job-a");
  EXPECT_EQ(parsed->members[0].weights.OfLayer(5), 0.7);
  EXPECT_EQ(parsed->members[0].weights.head, 0.7);
  EXPECT_EQ(parsed->members[1].weights.head, -0.3);
  EXPECT_TRUE(parsed->members[2].weights.IsOne());
  EXPECT_EQ(parsed->members[2].weights.head, 1);
  EXPECT_EQ(ParseComposition("mix=sequential:a", Never)->name, "mix");
  EXPECT_EQ(ParseComposition("mix=sequential:a", Never)->method, Method::kSequential);
}

TEST(CompositionText, WhetherATextNamesAnAdapterIsItsProgramsToSay) {
  const auto named = [](const std::string& text) { return text == "a=1"; };
  EXPECT_EQ(ParseComposition("additive:a=1", named)->members[0].adapter, "a=1");
  EXPECT_EQ(ParseComposition("additive:a=1=0.5", named)->members[0].adapter, "a=1");
  EXPECT_EQ(ParseComposition("additive:a=1", Never)->members[0].adapter, "a");
}

TEST(CompositionText, AFileSaysTheSameAndWeightsOfLayers) {
  const TempDir dir = TempDir::Create().value();
  const std::string path = (dir.path() / "mix.json").string();
  std::ofstream(path) << R"({"name": "mix", "method": "gated", "adapters": [
      {"adapter": "a", "weight": 0.25}, {"adapter": "b", "weights": [0, 0.5], "headWeight": 2}]})";
  const auto read = ParseComposition(path, Never);
  ASSERT_TRUE(read) << ToString(read.error());
  EXPECT_EQ(read->name, "mix");
  EXPECT_EQ(read->method, Method::kGated);
  EXPECT_THAT(read->members[1].weights.layers, ElementsAre(0, 0.5));
  EXPECT_EQ(read->members[1].weights.head, 2);
  EXPECT_EQ(ParseComposition("other=" + path, Never)->name, "other");
}

TEST(CompositionText, WhatIsWrittenIsReadBackToTheLastDigit) {
  const Composition composition{.name = "mix",
                                .method = Method::kGated,
                                .members = {{"a", {{0.1}, 0.1}},
                                            {"b", {{1.0 / 3, -1e-300, 5e-324}, 0.7000000000000001}},
                                            {"a \"quoted\" name", {{1}, 0}}}};
  const auto read = ReadComposition(Json::parse(WriteComposition(composition).dump()));
  ASSERT_TRUE(read) << ToString(read.error());
  EXPECT_EQ(read->name, "mix");
  EXPECT_EQ(read->method, Method::kGated);
  ASSERT_EQ(read->members.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(read->members[i].adapter, composition.members[i].adapter);
    EXPECT_EQ(read->members[i].weights.layers, composition.members[i].weights.layers);
    EXPECT_EQ(read->members[i].weights.head, composition.members[i].weights.head);
  }
  const Json plain = WriteComposition({.members = {{"a", {{0.5}, 0.5}}}});
  EXPECT_EQ(plain.dump(), R"({"method":"additive","adapters":[{"adapter":"a","weight":0.5}]})");
}

TEST(CompositionText, AllThatIsWrongIsSaidAtOnce) {
  EXPECT_THAT(Wrong("average:a=much,b,b"),
              ElementsAre(HasSubstr("no method \"average\""), HasSubstr("weight of a is \"much\""),
                          HasSubstr("\"b\" is named twice")));
  for (const char* weight : {"nan", "inf", "1e999", "", "0x1", "1 "}) {
    EXPECT_THAT(Wrong(std::string("additive:a=") + weight), ElementsAre(HasSubstr("weight of a")));
  }
  for (const char* given : {"", ":", "additive", "additive:", "additive:=1", "=additive:a"}) {
    EXPECT_FALSE(Wrong(given).empty()) << given;
  }
}

TEST(CompositionText, AFileMustBeOneAndNotTooDeep) {
  const TempDir dir = TempDir::Create().value();
  const std::string path = (dir.path() / "bad").string();
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string(200, '[') + std::string(200, ']'),
        std::string(R"({"method": "additive"})"),
        std::string(R"({"method": "additive", "adapters": [{"adapter": "a", "weight": 1e999}]})"),
        std::string(R"({"method": "additive", "adapters": [{"adapter": "a", "weights": [1]}]})")}) {
    std::ofstream(path) << text;
    const auto read = ParseComposition(path, Never);
    ASSERT_FALSE(read) << text;
    EXPECT_THAT(read.error().message, HasSubstr(path));
  }
}

}  // namespace
}  // namespace lathe::composition
