#include "common/schema/export.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "common/schema/export_documents.h"
#include "common/schema/parameters.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

namespace fs = std::filesystem;

enum RowType {
  kInteger,
  kNumber,
  kBoolean,
  kString,
  kEnumeration,
  kObject,
  kSet,
  kList,
  kIntegerMap,
  kNumberMap
};

struct Row {
  std::string path;
  RowType type;
  std::string default_json;
  double min;
  double max;
  bool exclusive_min;
  std::string depends_on;
  std::string tokens;
};

constexpr double kUnbounded = std::numeric_limits<double>::infinity();

const std::vector<Row>& Rows() {
  static const std::vector<Row> rows = {
#define LATHE_PARAMETER(...) Row{__VA_ARGS__},
#include "worker/trainer/plan/parameter_table.inc"
  };
  return rows;
}

TEST(ExportTest, TheTrainersTableIsFresh) {
  EXPECT_EQ(FileText(SourceFolder() / "worker/trainer/plan/parameter_table.inc"),
            ExportTrainerTable())
      << "the schema has changed; refresh the table:\n  build/release/tools/lathe-schema-export "
         "table > worker/trainer/plan/parameter_table.inc";
}

TEST(ExportTest, WhatIsMadeOfACallIsFresh) {
  constexpr char kRefresh[] =
      " has changed; refresh it:\n  build/release/tools/lathe-schema-export ";
  EXPECT_EQ(FileText(SourceFolder() / "worker/trainer/plan/generation_table.inc"),
            ExportGenerationTable())
      << "the call" << kRefresh << "generation-table > worker/trainer/plan/generation_table.inc";
  EXPECT_EQ(FileText(SourceFolder() / "deploy/docs/reference/generation.md"),
            ExportGenerationMarkdown())
      << "the call" << kRefresh << "generation > deploy/docs/reference/generation.md";
}

TEST(ExportTest, TheReferenceIsFresh) {
  EXPECT_EQ(FileText(SourceFolder() / "deploy/docs/reference/job_configuration.md"),
            ExportMarkdown())
      << "the schema has changed; refresh the document:\n  build/release/tools/lathe-schema-export "
         "markdown > deploy/docs/reference/job_configuration.md";
}

TEST(ExportTest, TheDocumentsOfDialectsAndTemplatesAreFresh) {
  const fs::path folder = SourceFolder() / "deploy/docs/reference";
  constexpr char kRefresh[] =
      " has changed; refresh it:\n  build/release/tools/lathe-schema-export NAME > "
      "deploy/docs/reference/NAME.md";
  EXPECT_EQ(FileText(folder / "dialects.md"), ExportDialectsMarkdown()) << "dialects" << kRefresh;
  EXPECT_EQ(FileText(folder / "templates.md"), ExportTemplatesMarkdown())
      << "templates" << kRefresh;
}

TEST(ExportTest, TheTableCompilesAndSaysTheSame) {
  ASSERT_EQ(Rows().size(), ParameterPaths().size());
  for (std::size_t i = 0; i < Rows().size(); ++i) {
    const Row& row = Rows()[i];
    const Parameter& parameter = ParameterPaths()[i];
    EXPECT_EQ(row.path, parameter.path);
    EXPECT_EQ(row.default_json, parameter.spec->default_value()) << row.path;
    EXPECT_EQ(row.min, parameter.spec->has_min() ? parameter.spec->min() : -kUnbounded);
    EXPECT_EQ(row.max, parameter.spec->has_max() ? parameter.spec->max() : kUnbounded);
    EXPECT_EQ(row.exclusive_min, parameter.spec->exclusive_min()) << row.path;
    EXPECT_EQ(row.depends_on, parameter.depends_on) << row.path;
    EXPECT_EQ(!row.tokens.empty(), !parameter.tokens.empty() || parameter.spec->one_of_size() > 0)
        << row.path;
    EXPECT_EQ(row.type == kSet || row.type == kList, parameter.repeated) << row.path;
    EXPECT_EQ(row.type == kIntegerMap || row.type == kNumberMap, parameter.map) << row.path;
  }
}

nlohmann::json Schema() {
  return nlohmann::json::parse(ExportJsonSchema());
}

/// The schema of a path, through `properties` and `items`.
nlohmann::json At(const nlohmann::json& schema, const std::string& path) {
  nlohmann::json place = schema;
  std::istringstream keys(path);
  for (std::string key; std::getline(keys, key, '.');) {
    const bool list = key.size() > 2 && key.substr(key.size() - 2) == "[]";
    place = place.at("properties").at(list ? key.substr(0, key.size() - 2) : key);
    if (list) {
      place = nlohmann::json(place.at("items"));
    }
  }
  return place;
}

TEST(ExportTest, TheJsonSchemaHasEveryParameter) {
  const nlohmann::json schema = Schema();
  EXPECT_EQ(schema.at("$schema"), "http://json-schema.org/draft-07/schema#");
  EXPECT_EQ(schema.at("additionalProperties"), false);
  EXPECT_EQ(schema.at("required"), nlohmann::json({"model", "datasets"}));
  for (const Parameter& parameter : ParameterPaths()) {
    const nlohmann::json property = At(schema, parameter.path);
    EXPECT_EQ(property.at("title"), parameter.spec->label()) << parameter.path;
    EXPECT_EQ(property.at("description"), parameter.spec->help()) << parameter.path;
    EXPECT_EQ(property.contains("default"), !parameter.spec->default_value().empty());
  }
}

TEST(ExportTest, TheJsonSchemaHasRangesTokensAndHints) {
  const nlohmann::json schema = Schema();
  const nlohmann::json rank = At(schema, "method.loraConfig.rank");
  EXPECT_EQ(rank.at("type"), "integer");
  EXPECT_EQ(rank.at("minimum"), 1);
  EXPECT_EQ(rank.at("maximum"), 256);
  EXPECT_EQ(rank.at("default"), 8);
  EXPECT_EQ(rank.at("x-card"), "method");
  EXPECT_EQ(rank.at("x-depends-on"), "method.type=lora,qlora");
  EXPECT_EQ(At(schema, "optimizer.learningRate").at("exclusiveMinimum"), 0);
  EXPECT_EQ(At(schema, "optimizer.learningRate").at("x-warn-above"), 0.001);
  EXPECT_EQ(At(schema, "method.quantizationBits").at("enum"), nlohmann::json({4, 8}));
  EXPECT_EQ(At(schema, "objective.type").at("enum"), nlohmann::json({"sft", "dpo", "rlhf"}));
  EXPECT_EQ(At(schema, "integrations.wandb.apiKey").at("writeOnly"), true);
  EXPECT_EQ(At(schema, "optimizations.enabled").at("uniqueItems"), true);
  EXPECT_EQ(At(schema, "method.loraConfig.rankPattern").at("additionalProperties").at("maximum"),
            256);
  EXPECT_EQ(At(schema, "model").at("required"), nlohmann::json({"baseModel"}));
  EXPECT_EQ(At(schema, "tools[].name").at("type"), "string");
}

}  // namespace
}  // namespace lathe::schema
