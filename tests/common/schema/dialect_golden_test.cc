#include <gmock/gmock.h>

#include <algorithm>

#include "common/schema/dialects.h"
#include "common/schema/diff.h"
#include "common/schema/templates.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;

constexpr Dialect kOlder[] = {Dialect::kLegacyHyperparameters, Dialect::kSectioned,
                              Dialect::kAdapterTrainingConfig, Dialect::kSimple};

fs::path Folder() {
  return SourceFolder() / "tests/golden/dialects";
}

/// The inputs of a folder, in the order of their names.
std::vector<fs::path> Inputs(std::string_view folder) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(Folder() / folder)) {
    const fs::path& path = entry.path();
    if (path.extension() != ".txt" && path.stem().extension() != ".universal") {
      files.push_back(path);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string Report(const std::vector<Finding>& findings) {
  std::string report;
  for (const Finding& finding : findings) {
    report += std::string(ToString(finding.severity)) + " " + finding.code + " " + finding.path +
              "\n  " + finding.message + "\n";
    report += finding.given.empty() ? "" : "  given: " + finding.given + "\n";
    report += finding.expected.empty() ? "" : "  expected: " + finding.expected + "\n";
  }
  return report;
}

void ExpectGolden(const fs::path& golden, const std::string& outcome) {
  if (std::getenv("LATHE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(golden, std::ios::binary) << outcome;
  }
  EXPECT_EQ(FileText(golden), outcome)
      << "if the change is meant, write the outcomes anew:\n"
         "  LATHE_UPDATE_GOLDEN=1 build/release/tests/schema_test --gtest_filter='DialectGolden*'";
}

TEST(DialectGoldenTest, FilesAreReadAsBefore) {
  for (const Dialect dialect : kOlder) {
    std::string report;
    for (const fs::path& file : Inputs(ToString(dialect))) {
      const Imported imported = Import(FileText(file));
      EXPECT_EQ(imported.dialect, dialect) << file;
      EXPECT_FALSE(HasErrors(imported.findings)) << file << "\n" << Report(imported.findings);
      ExpectGolden(fs::path(file).replace_extension(".universal.json"),
                   Export(imported.configuration, Dialect::kUniversal).text);
      report += "== " + file.filename().string() + "\n" + Report(imported.findings);
    }
    ExpectGolden(Folder() / ToString(dialect) / "findings.txt", report);
  }
}

TEST(DialectGoldenTest, FilesComeBackWithTheSameMeaning) {
  for (const Dialect dialect : kOlder) {
    for (const fs::path& file : Inputs(ToString(dialect))) {
      const Imported imported = Import(FileText(file));
      const Exported exported = Export(imported.configuration, dialect);
      EXPECT_THAT(exported.losses, IsEmpty()) << file << "\n" << Report(exported.losses);
      const Imported again = Import(exported.text, dialect);
      EXPECT_EQ(ToJson(again.configuration), ToJson(imported.configuration)) << file;
    }
  }
}

TEST(DialectGoldenTest, BadFilesHaveTheirFindings) {
  std::string report;
  for (const fs::path& file : Inputs("bad")) {
    const Imported imported = Import(FileText(file));
    report += "== " + file.filename().string() + " (" + std::string(ToString(imported.dialect)) +
              ")\n" + Report(AllFindings(imported));
    EXPECT_FALSE(AllFindings(imported).empty()) << file;
  }
  ExpectGolden(Folder() / "bad" / "findings.txt", report);
}

TEST(DialectGoldenTest, LossesOfTemplatesAndOfAFullConfigurationAreAsBefore) {
  std::string report;
  const auto add = [&report](const std::string& name, const v1::JobConfiguration& configuration) {
    for (const Dialect dialect : kOlder) {
      report += "== " + name + " as " + std::string(ToString(dialect)) + "\n";
      for (const Finding& loss : Export(configuration, dialect).losses) {
        report += loss.path + ": " + loss.given + (loss.expected.empty() ? "" : " becomes ") +
                  loss.expected + "\n";
      }
    }
  };
  for (const Template& each : BuiltinTemplates()) {
    add(each.name, each.configuration);
  }
  add("full", FromJson(FileText(SourceFolder() / "tests/golden/configurations/good/full.json"))
                  .configuration);
  ExpectGolden(Folder() / "exports.txt", report);
}

/// These templates were files of the sectioned dialect before they were ours.
TEST(DialectGoldenTest, TheSectionedTemplatesAreTheBuiltinOnes) {
  const Imported file = Import(FileText(Folder() / "sectioned/sft_toolbench.yaml"));
  EXPECT_THAT(Compare(file.configuration, FindTemplate("sft_toolbench")->configuration), IsEmpty());
  EXPECT_THAT(Export(FindTemplate("sft_toolbench")->configuration, Dialect::kSectioned).losses,
              IsEmpty());
  EXPECT_THAT(Export(FindTemplate("dpo_basic")->configuration, Dialect::kSectioned).losses,
              IsEmpty());
  EXPECT_THAT(Export(FindTemplate("hybrid")->configuration, Dialect::kSectioned).losses,
              testing::SizeIs(2));  // evaluations and warmupRatio
}

}  // namespace
}  // namespace lathe::schema
