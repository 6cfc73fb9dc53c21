#include "coordinator/providers/engine.h"

#include <gmock/gmock.h>

#include <set>

#include "common/schema/parameters.h"

namespace lathe::providers {
namespace {

using testing::HasSubstr;

/// Every path that a description names.
std::set<std::string> Paths(const Engine& engine) {
  std::set<std::string> paths(engine.uses.begin(), engine.uses.end());
  for (const auto& [path, unused] : engine.accepts) paths.insert(path);
  for (const auto& [path, unused] : engine.ranges) paths.insert(path);
  for (const auto& [path, unused] : engine.lengths) paths.insert(path);
  for (const auto& [path, unused] : engine.notes) paths.insert(path);
  for (const Requirement& requirement : engine.requirements) {
    paths.insert({requirement.path, requirement.if_set});
  }
  for (const Row& row : engine.body) {
    paths.insert({row.from, row.when_set, row.unless_set});
    for (const auto& [path, unused] : row.when) paths.insert(path);
  }
  paths.erase("");
  return paths;
}

TEST(EngineTest, TheClusterComesFirstAndAllAreFound) {
  std::vector<std::string> ids;
  for (const Engine& engine : Engines()) {
    ids.push_back(engine.id);
    EXPECT_EQ(*FindEngine(engine.id), &engine);
    EXPECT_FALSE(engine.title.empty());
    EXPECT_FALSE(engine.sources.empty()) << "where do its facts come from?";
  }
  EXPECT_THAT(
      ids, testing::ElementsAre("lathe", "openai", "together", "fireworks", "mistral", "deepseek"));
  const auto unknown = FindEngine("opnai");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(unknown.error().message, HasSubstr("did you mean `openai`"));
}

TEST(EngineTest, DescriptionsNameParametersThatExist) {
  for (const Engine& engine : Engines()) {
    for (const std::string& path : Paths(engine)) {
      EXPECT_NE(schema::FindParameter(path), nullptr) << engine.id << " names " << path;
    }
    for (const auto& [path, tokens] : engine.accepts) {
      const auto known = schema::FindParameter(path)->tokens;
      for (const std::string& token : tokens) {
        EXPECT_THAT(known, testing::Contains(token)) << engine.id << " " << path;
      }
    }
    for (const std::string& token : engine.optimizations) {
      EXPECT_THAT(schema::FindParameter("optimizations.enabled")->tokens, testing::Contains(token));
    }
  }
}

TEST(EngineTest, RowsNameCustomParametersThatExist) {
  for (const Engine& engine : Engines()) {
    std::set<std::string> names = {""};
    for (const CustomParameter& parameter : engine.custom) {
      names.insert(parameter.name);
      EXPECT_FALSE(parameter.description.empty()) << engine.id << " " << parameter.name;
      EXPECT_THAT((std::vector<std::string>{"string", "number", "integer", "boolean"}),
                  testing::Contains(parameter.type));
    }
    for (const Row& row : engine.body) {
      EXPECT_TRUE(names.contains(row.custom)) << engine.id << " " << row.custom;
      EXPECT_TRUE(names.contains(row.unless_custom)) << engine.id << " " << row.unless_custom;
    }
  }
}

TEST(EngineTest, StatesAreOurs) {
  const std::set<std::string> ours = {"starting", "running", "succeeded", "failed", "cancelled"};
  for (const Engine& engine : Engines()) {
    EXPECT_EQ(engine.can_start && !engine.is_cluster(), engine.query.has_value()) << engine.id;
    for (const auto& [theirs, state] : engine.status.states) {
      EXPECT_TRUE(ours.contains(state)) << engine.id << " " << theirs;
    }
  }
}

TEST(EngineTest, WrongDescriptionsAreRefusedByKey) {
  EXPECT_THAT(ReadEngine("{").error().message, HasSubstr("parse error"));
  EXPECT_THAT(ReadEngine("[]").error().message, HasSubstr("not an object"));
  EXPECT_THAT(ReadEngine(R"({"id":"x","titel":"X"})").error().message, HasSubstr("titel"));
  EXPECT_THAT(ReadEngine(R"({"id":"x","canStart":false})").error().message, HasSubstr("reason"));
  EXPECT_THAT(ReadEngine(R"({"id":"x","body":[{"to":"a"}]})").error().message,
              HasSubstr("exactly one of"));
  EXPECT_THAT(ReadEngine(R"({"id":"x","body":[{"from":"seed","too":"a"}]})").error().message,
              HasSubstr("too"));
  EXPECT_THAT(ReadEngine(R"({"id":"x","find":{"pages":{"parameter":"page"}}})").error().message,
              HasSubstr("exactly one of more and full"));
  EXPECT_FALSE(ReadEngine(R"({"id":7})"));
}

}  // namespace
}  // namespace lathe::providers
