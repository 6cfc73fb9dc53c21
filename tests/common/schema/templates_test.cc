#include "common/schema/templates.h"

#include <gmock/gmock.h>

#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const v1::JobConfiguration& ConfigurationOf(const char* name) {
  const Template* found = FindTemplate(name);
  EXPECT_NE(found, nullptr) << name;
  return found->configuration;
}

/// `path value` of all that the template sets.
std::vector<std::string> Values(const char* name) {
  std::vector<std::string> values;
  for (const ResolvedValue& value : Explain(ConfigurationOf(name))) {
    if (value.source == ValueSource::kUser) {
      values.push_back(value.path + " " + value.value);
    }
  }
  return values;
}

TEST(TemplatesTest, AreAllThere) {
  std::vector<std::string> names;
  for (const Template& each : BuiltinTemplates()) {
    names.push_back(each.name);
  }
  EXPECT_THAT(names, ElementsAre("sft_toolbench", "dpo_basic", "sft_pc_building", "teacher_mode",
                                 "knowledge_dense", "hybrid", "lora_quickstart", "qlora_single_gpu",
                                 "dpo_preference", "full_small", "musicgen_small_lora"));
  EXPECT_EQ(FindTemplate("dpo"), nullptr);
}

TEST(TemplatesTest, LackNothingButTheData) {
  for (const Template& each : BuiltinTemplates()) {
    std::vector<Finding> errors = Validate(each.configuration);
    std::erase_if(errors, [](const Finding& f) { return f.severity != Severity::kError; });
    EXPECT_THAT(Brief(errors), ElementsAre("error datasets.trainingFileId required")) << each.name;
    v1::JobConfiguration with_data = each.configuration;
    with_data.mutable_datasets()->set_training_file_id("sha256:aa");
    EXPECT_FALSE(HasErrors(Validate(with_data))) << each.name;
  }
}

TEST(TemplatesTest, WarnOnlyWhereTheirDescriptionSaysWhy) {
  for (const Template& each : BuiltinTemplates()) {
    v1::JobConfiguration with_data = each.configuration;
    with_data.mutable_datasets()->set_training_file_id("sha256:aa");
    std::vector<std::string> warnings = Brief(Validate(with_data));
    // fp16 is what these templates have always had; where bf16 exists the warning is right.
    std::erase(warnings, "warning model.precision small_range");
    if (each.name == "dpo_basic") {
      EXPECT_THAT(warnings, ElementsAre("warning schedule.epochs unusually_high"));
    } else {
      EXPECT_THAT(warnings, IsEmpty()) << each.name;
    }
  }
}

TEST(TemplatesTest, SftToolbenchHasItsValues) {
  EXPECT_THAT(
      Values("sft_toolbench"),
      ElementsAre("model.baseModel \"Qwen/Qwen3-0.6B\"", "model.precision \"fp16\"",
                  "model.deviceMap \"auto\"", "datasets.strategy \"toolbench\"",
                  "datasets.generationType \"real\"", "datasets.maxSamples 700",
                  "datasets.trainSplit 0.99", "objective.type \"sft\"", "method.type \"lora\"",
                  "method.loraConfig.rank 8", "method.loraConfig.alpha 32",
                  "method.loraConfig.dropout 0.05", "schedule.epochs 1", "schedule.batchSize 4",
                  "schedule.sequenceLength 2048", "schedule.gradientAccumulation 8",
                  "optimizer.learningRate 5e-05", "optimizer.scheduler.warmupSteps 100"));
}

TEST(TemplatesTest, DpoBasicHasItsValues) {
  EXPECT_THAT(
      Values("dpo_basic"),
      ElementsAre("model.baseModel \"Qwen/Qwen3-0.6B\"", "model.precision \"fp16\"",
                  "model.deviceMap \"auto\"", "datasets.type \"preference\"",
                  "objective.type \"dpo\"", "method.type \"lora\"", "method.loraConfig.rank 16",
                  "method.loraConfig.alpha 32", "method.loraConfig.dropout 0.1",
                  "schedule.epochs 100", "schedule.batchSize 2", "schedule.sequenceLength 512",
                  "schedule.gradientAccumulation 16", "optimizer.name \"paged_adamw_8bit\"",
                  "optimizer.learningRate 1e-06", "optimizer.scheduler.warmupSteps 100",
                  "optimizer.weightDecay 0.01", "optimizer.maxGradientNorm 0.3",
                  "optimizer.beta1 0.9", "optimizer.beta2 0.999", "optimizer.epsilon 1e-08"));
}

}  // namespace
}  // namespace lathe::schema
