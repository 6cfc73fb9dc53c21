#include <gmock/gmock.h>

#include <algorithm>

#include "common/schema/parameters.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

namespace fs = std::filesystem;

fs::path Folder(const char* name) {
  return SourceFolder() / "tests/golden/configurations" / name;
}

bool Updating() {
  return std::getenv("LATHE_UPDATE_GOLDEN") != nullptr;
}

/// The configurations of a folder, in the order of their names.
std::vector<fs::path> Configurations(const char* folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(Folder(folder))) {
    const fs::path& path = entry.path();
    const bool outcome = path.stem().extension() == ".resolved";
    if (!outcome && (path.extension() == ".json" || path.extension() == ".yaml")) {
      files.push_back(path);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

Parsed Read(const fs::path& path) {
  const std::string text = FileText(path);
  return path.extension() == ".yaml" ? FromYaml(text) : FromJson(text);
}

std::string Report(const fs::path& path) {
  std::string report = "== " + path.filename().string() + "\n";
  for (const Finding& finding : AllFindings(Read(path))) {
    report += std::string(ToString(finding.severity)) + " " + finding.code + " " + finding.path +
              "\n  " + finding.message + "\n";
    report += finding.given.empty() ? "" : "  given: " + finding.given + "\n";
    report += finding.expected.empty() ? "" : "  expected: " + finding.expected + "\n";
  }
  return report;
}

void Compare(const fs::path& golden, const std::string& outcome) {
  if (Updating()) {
    std::ofstream(golden, std::ios::binary) << outcome;
  }
  EXPECT_EQ(FileText(golden), outcome)
      << "if the change is meant, write the outcomes anew:\n"
         "  LATHE_UPDATE_GOLDEN=1 build/release/tests/schema_test --gtest_filter='Golden*'";
}

TEST(GoldenTest, BadConfigurationsHaveTheirFindings) {
  std::string report;
  const std::vector<fs::path> files = Configurations("bad");
  EXPECT_GE(files.size(), 60U);
  for (const fs::path& file : files) {
    EXPECT_FALSE(AllFindings(Read(file)).empty()) << file << " has nothing wrong";
    report += Report(file);
  }
  Compare(Folder("bad") / "findings.txt", report);
}

TEST(GoldenTest, GoodConfigurationsHaveNoErrorAndResolveAsBefore) {
  for (const fs::path& file : Configurations("good")) {
    const std::vector<Finding> findings = AllFindings(Read(file));
    EXPECT_FALSE(HasErrors(findings)) << Report(file);
    if (file.extension() == ".json") {
      Compare(fs::path(file).replace_extension(".resolved.json"),
              ToJson(Resolve(Read(file).configuration)) + "\n");
    }
  }
}

TEST(GoldenTest, YamlAndJsonOfOneNameAreTheSame) {
  int pairs = 0;
  for (const fs::path& file : Configurations("good")) {
    const fs::path twin = fs::path(file).replace_extension(".json");
    if (file.extension() == ".yaml" && fs::exists(twin)) {
      EXPECT_EQ(ToJson(Read(file).configuration), ToJson(Read(twin).configuration)) << file;
      ++pairs;
    }
  }
  EXPECT_GT(pairs, 0);
}

TEST(GoldenTest, TheFullConfigurationSetsEveryParameter) {
  const v1::JobConfiguration full = Read(Folder("good") / "full.json").configuration;
  std::vector<std::string> set;
  for (const ResolvedValue& value : Explain(full)) {
    if (value.source == ValueSource::kUser) {
      set.push_back(value.path);
    }
  }
  for (const Parameter& parameter : ParameterPaths()) {
    // Of the two kinds of warm-up a configuration holds one.
    if (parameter.path.find('[') == std::string::npos &&
        parameter.path != "optimizer.scheduler.warmupRatio") {
      EXPECT_THAT(set, testing::Contains(parameter.path));
    }
  }
}

}  // namespace
}  // namespace lathe::schema
