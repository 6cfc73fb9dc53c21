#include "common/schema/parameters.h"

#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>

#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {
namespace {

TEST(ParametersTest, EveryParameterIsFullyDescribed) {
  std::set<std::string> paths;
  for (const Parameter& parameter : ParameterPaths()) {
    const v1::ParameterSpec& spec = *parameter.spec;
    EXPECT_TRUE(paths.insert(parameter.path).second) << parameter.path << " is there twice";
    EXPECT_FALSE(spec.label().empty()) << parameter.path << " has no label";
    EXPECT_GE(spec.help().size(), 20U) << parameter.path << " has no help";
    EXPECT_EQ(spec.help().back(), '.') << parameter.path << " has a help without an end";
    EXPECT_NE(spec.card(), v1::CARD_UNSPECIFIED) << parameter.path << " is on no card";
    const bool warns = spec.has_warn_above() || spec.has_warn_below() || !spec.warn_value().empty();
    EXPECT_EQ(warns, !spec.warning().empty()) << parameter.path;
    EXPECT_FALSE(spec.exclusive_min() && !spec.has_min()) << parameter.path;
    EXPECT_EQ(parameter.tokens.empty(), parameter.type != ParameterType::kEnumeration)
        << parameter.path;
  }
}

TEST(ParametersTest, SectionsAreOptionalScalarsSoThatNotSetIsVisible) {
  for (const Parameter& parameter : ParameterPaths()) {
    EXPECT_TRUE(parameter.field->is_repeated() || parameter.field->has_presence())
        << parameter.path;
  }
}

TEST(ParametersTest, FindsByPath) {
  const Parameter* rank = FindParameter("method.loraConfig.rank");
  ASSERT_NE(rank, nullptr);
  EXPECT_EQ(rank->type, ParameterType::kInteger);
  EXPECT_EQ(rank->depends_on, "method.type=lora,qlora");
  EXPECT_EQ(RangeText(*rank->spec), "1 to 256");
  EXPECT_EQ(FindParameter("method.loraConfig"), nullptr);
  EXPECT_NE(FindParameter("hardware.numGPUs"), nullptr);
  EXPECT_NE(FindParameter("hardware.minMemoryGiB"), nullptr);
  EXPECT_NE(FindParameter("optimizer.scheduler.minLRRatio"), nullptr);
}

TEST(ParametersTest, NamesTypesAndRanges) {
  EXPECT_EQ(TypeName(*FindParameter("optimizations.enabled")), "set of enumeration");
  EXPECT_EQ(TypeName(*FindParameter("method.loraConfig.rankPattern")), "map to integer");
  EXPECT_EQ(TypeName(*FindParameter("tools")), "list of object");
  EXPECT_EQ(TypeName(*FindParameter("tools[].name")), "string");
  EXPECT_EQ(TypeName(*FindParameter("metadata")), "object");
  EXPECT_EQ(RangeText(*FindParameter("optimizer.learningRate")->spec), "> 0 to 1");
  EXPECT_EQ(RangeText(*FindParameter("schedule.maxSteps")->spec), ">= 1");
  EXPECT_EQ(RangeText(*FindParameter("method.quantizationBits")->spec), "4 or 8");
  EXPECT_EQ(RangeText(*FindParameter("model.baseModel")->spec), "");
}

TEST(ParametersTest, OnlyTheKeysOfServicesAreSecret) {
  std::set<std::string> secrets;
  for (const Parameter& parameter : ParameterPaths()) {
    if (parameter.spec->secret()) {
      secrets.insert(parameter.path);
    }
  }
  EXPECT_EQ(secrets, (std::set<std::string>{"integrations.huggingface.apiToken",
                                            "integrations.wandb.apiKey"}));
}

}  // namespace
}  // namespace lathe::schema
