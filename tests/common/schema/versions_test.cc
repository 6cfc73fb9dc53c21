// Stored configurations of every schema version, and what a change of the schema means for them.

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/schema/configuration.h"
#include "common/schema/migrate.h"
#include "common/schema/migrate_internal.h"
#include "common/schema/parameters.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

fs::path VersionFile(int version, const char* ending) {
  return SourceFolder() / "tests/golden/configurations/versions" /
         ("v" + std::to_string(version) + ending);
}

bool Updating() {
  return std::getenv("LATHE_UPDATE_GOLDEN") != nullptr;
}

void Write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Path → type, tokens and default: what a stored configuration's meaning depends on.
using Shape = std::map<std::string, std::string>;

Shape PresentShape() {
  Shape shape;
  for (const Parameter& parameter : ParameterPaths()) {
    std::string line = TypeName(parameter);
    for (const std::string& token : parameter.tokens) line += " " + token;
    shape[parameter.path] = line + " = " + parameter.spec->default_value();
  }
  return shape;
}

std::string ToText(const Shape& shape) {
  std::string text;
  for (const auto& [path, line] : shape) text += path + ": " + line + "\n";
  return text;
}

Shape ReadShape(const fs::path& path) {
  Shape shape;
  std::istringstream lines(FileText(path));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t colon = line.find(": ");
    shape[line.substr(0, colon)] = line.substr(colon + 2);
  }
  return shape;
}

/// Whether everything that was legal still is and "not set" still means the same.
bool StillMeans(const std::string& before, const std::string& now) {
  const std::size_t end = before.rfind(" = ");
  const std::size_t now_end = now.rfind(" = ");
  if (before.substr(end) != now.substr(now_end)) return false;
  std::istringstream words(before.substr(0, end));
  const std::string known = " " + now.substr(0, now_end) + " ";
  for (std::string word; words >> word;) {
    if (known.find(" " + word + " ") == std::string::npos) return false;
  }
  return true;
}

/// What was removed or means something else now.
std::vector<std::string> Broken(const Shape& before, const Shape& now) {
  std::vector<std::string> broken;
  for (const auto& [path, line] : before) {
    const auto found = now.find(path);
    if (found == now.end() || !StillMeans(line, found->second))
      broken.push_back(path + ": " + line);
  }
  return broken;
}

TEST(SchemaVersions, AChangeOfMeaningNeedsANewVersion) {
  const fs::path file = VersionFile(kSchemaVersion, ".schema.txt");
  const bool is_new = !fs::exists(file);
  const Shape now = PresentShape();
  const auto broken = is_new ? std::vector<std::string>() : Broken(ReadShape(file), now);
  ASSERT_THAT(broken, ::testing::IsEmpty())
      << "stored configurations of version " << kSchemaVersion
      << " would be read differently: raise kSchemaVersion and add a step to the table in "
         "common/schema/migrate.cc";
  if (Updating()) Write(file, ToText(now));
  EXPECT_EQ(FileText(file), ToText(now))
      << "what is new changes nothing that is stored; write the file anew:\n"
         "  LATHE_UPDATE_GOLDEN=1 build/release/tests/schema_test --gtest_filter='SchemaVersions*'";
}

TEST(SchemaVersions, TheRuleSeesRemovalsChangesAndNewDefaults) {
  const Shape before = {{"a", "integer = 1"}, {"b", "enumeration x y = x"}};
  EXPECT_THAT(Broken(before, {{"a", "integer = 1"}, {"b", "enumeration y z x = x"}, {"c", " = "}}),
              ::testing::IsEmpty());
  EXPECT_THAT(Broken(before, {{"a", "integer = 2"}}), ::testing::SizeIs(2));
  EXPECT_THAT(Broken(before, {{"a", "number = 1"}, {"b", "enumeration y = x"}}),
              ::testing::SizeIs(2));
}

TEST(SchemaVersions, EveryVersionHasAFileThatIsRead) {
  const fs::path full = SourceFolder() / "tests/golden/configurations/good/full.json";
  const std::string present = nlohmann::ordered_json::parse(FileText(full)).dump(2) + "\n";
  if (Updating()) Write(VersionFile(kSchemaVersion, ".json"), present);
  EXPECT_EQ(FileText(VersionFile(kSchemaVersion, ".json")), present)
      << "the present version's file follows good/full.json";
  for (int version = 1; version <= kSchemaVersion; ++version) {
    const auto read = ReadStored(FileText(VersionFile(version, ".json")), version);
    ASSERT_TRUE(read) << "v" << version << ": " << ToString(read.error());
    EXPECT_FALSE(HasErrors(Validate(*read))) << "v" << version;
    if (version == kSchemaVersion) {
      EXPECT_EQ(ToJson(*read), ToJson(FromJson(present).configuration)) << "nothing is lost";
      continue;
    }
    const fs::path migrated = VersionFile(version, ".migrated.json");
    if (Updating()) Write(migrated, ToJson(*read) + "\n");
    EXPECT_EQ(FileText(migrated), ToJson(*read) + "\n") << "v" << version;
  }
}

TEST(SchemaVersions, EachVersionHasAStepToTheNext) {
  const auto steps = Migrations();
  ASSERT_EQ(steps.size(), static_cast<std::size_t>(kSchemaVersion - 1));
  for (std::size_t i = 0; i < steps.size(); ++i) EXPECT_EQ(steps[i].from, static_cast<int>(i) + 1);
}

TEST(SchemaVersions, NewerOnesAreRefused) {
  const auto refused = ReadStored("{}", kSchemaVersion + 1);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFailedPrecondition);
  EXPECT_THAT(refused.error().message, HasSubstr("newer program"));
}

TEST(SchemaVersions, DamageIsNamed) {
  for (const char* text : {"", "[]", "{", R"({"sede": 1})"}) {
    const auto read = ReadStored(text, kSchemaVersion);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, ErrorCode::kDataLoss);
  }
}

/// A history of its own: version 2 renamed `lr`, version 3 doubled it.
const std::vector<Migration>& Steps() {
  static const std::vector<Migration> steps = {
      {1,
       [](StoredTree& tree) {
         const double rate = tree.at("lr").get<double>();
         tree["learningRate"] = rate;
         tree.erase("lr");
       }},
      {2,
       [](StoredTree& tree) { tree["learningRate"] = 2 * tree.at("learningRate").get<double>(); }}};
  return steps;
}

TEST(Migrate, TakesEveryStepFromTheStoredVersionOn) {
  EXPECT_EQ(*Migrate(R"({"a":1,"lr":0.5})", 1, Steps()), R"({"a":1,"learningRate":1.0})");
  EXPECT_EQ(*Migrate(R"({"learningRate":0.5})", 2, Steps()), R"({"learningRate":1.0})");
  EXPECT_EQ(*Migrate(R"({"learningRate":0.5})", 3, Steps()), R"({"learningRate":0.5})");
  EXPECT_EQ(*Migrate(R"({ "as": "it is" })", 1, {}), R"({ "as": "it is" })");
}

TEST(Migrate, WhatDoesNotFitIsDamage) {
  for (const char* text : {"", "[]", "{", R"({"lr":"text"})", "{}"}) {
    const auto migrated = Migrate(text, 1, Steps());
    ASSERT_FALSE(migrated) << text;
    EXPECT_EQ(migrated.error().code, ErrorCode::kDataLoss);
  }
}

}  // namespace
}  // namespace lathe::schema
