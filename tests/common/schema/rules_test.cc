#include <gmock/gmock.h>

#include "common/schema/parameters.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> Findings(const std::vector<std::string>& assignments) {
  return Brief(Validate(Valid(assignments)));
}

TEST(RulesTest, AMinimalConfigurationHasNoFindings) {
  EXPECT_THAT(Findings({}), IsEmpty());
}

TEST(RulesTest, RequiredMustBeThere) {
  EXPECT_THAT(Brief(Validate({})), ElementsAre("error model.baseModel required",
                                               "error datasets.trainingFileId required"));
}

TEST(RulesTest, OneKindOfWarmup) {
  EXPECT_THAT(Findings({"optimizer.scheduler.warmupRatio=0.1"}), IsEmpty());
  EXPECT_THAT(Findings({"optimizer.scheduler.warmupSteps=10"}), IsEmpty());
  EXPECT_THAT(
      Findings({"optimizer.scheduler.warmupRatio=0.1", "optimizer.scheduler.warmupSteps=10"}),
      ElementsAre("error optimizer.scheduler.warmupSteps exclusive"));
  EXPECT_THAT(Findings({"schedule.maxSteps=10", "optimizer.scheduler.warmupSteps=9"}), IsEmpty());
  EXPECT_THAT(Findings({"schedule.maxSteps=10", "optimizer.scheduler.warmupSteps=10"}),
              ElementsAre("warning optimizer.scheduler.warmupSteps long_warmup"));
}

TEST(RulesTest, PreferenceDataIsForDpoAndNothingElse) {
  EXPECT_THAT(Findings({"objective.type=dpo"}), IsEmpty());
  EXPECT_THAT(
      Findings({"objective.type=dpo", "datasets.type=preference", "datasets.format=preference"}),
      IsEmpty());
  EXPECT_THAT(Findings({"objective.type=dpo", "datasets.type=supervised"}),
              ElementsAre("error datasets.type contradiction"));
  EXPECT_THAT(Findings({"datasets.type=preference"}),
              ElementsAre("error datasets.type contradiction"));
  EXPECT_THAT(Findings({"datasets.format=preference"}),
              ElementsAre("error datasets.format contradiction"));
}

TEST(RulesTest, IpoHasNothingToSmooth) {
  EXPECT_THAT(Findings({"objective.type=dpo", "objective.dpo.labelSmoothing=0.1"}), IsEmpty());
  EXPECT_THAT(Findings({"objective.type=dpo", "objective.dpo.labelSmoothing=0.1",
                        "objective.dpo.lossType=ipo"}),
              ElementsAre("error objective.dpo.labelSmoothing contradiction"));
}

TEST(RulesTest, OnlyAdamwHasForms) {
  EXPECT_THAT(Findings({"optimizations.enabled=optimizer_8bit,paged_optimizer"}), IsEmpty());
  EXPECT_THAT(Findings({"optimizations.enabled=paged_optimizer", "optimizer.name=adamw_8bit"}),
              IsEmpty());
  EXPECT_THAT(Findings({"optimizations.enabled=optimizer_8bit,paged_optimizer",
                        "optimizer.name=adafactor"}),
              ElementsAre("error optimizations.enabled contradiction",
                          "error optimizations.enabled contradiction"));
  EXPECT_THAT(Findings({"optimizations.enabled=dynamic_padding", "optimizer.name=lion"}),
              IsEmpty());
}

TEST(RulesTest, SomethingMustBeLeftToLearnFrom) {
  EXPECT_THAT(Findings({"datasets.trainSplit=0"}),
              ElementsAre("error datasets.trainSplit unusual_value"));
  EXPECT_THAT(Findings({"datasets.trainSplit=0", "datasets.validationFileId=v"}),
              Contains("warning datasets.trainSplit unusual_value"));
}

TEST(RulesTest, EarlyStoppingNeedsEvaluations) {
  EXPECT_THAT(Findings({"schedule.earlyStoppingPatience=2"}), IsEmpty());
  EXPECT_THAT(Findings({"schedule.earlyStoppingPatience=2", "schedule.evaluations=0"}),
              ElementsAre("warning schedule.earlyStoppingPatience no_evaluations"));
  EXPECT_THAT(Findings({"schedule.earlyStoppingPatience=2", "schedule.evaluations=0",
                        "schedule.evalSteps=5"}),
              IsEmpty());
  EXPECT_THAT(Findings({"schedule.earlyStoppingPatience=2", "schedule.evaluations=0",
                        "evaluation.evalSteps=5"}),
              IsEmpty());
  EXPECT_THAT(Findings({"schedule.earlyStoppingThreshold=0.1"}),
              ElementsAre("warning schedule.earlyStoppingThreshold no_effect"));
}

TEST(RulesTest, EvaluationsNeedValidationData) {
  EXPECT_THAT(Findings({"datasets.trainSplit=1"}),
              ElementsAre("warning schedule.evaluations no_validation_data"));
  EXPECT_THAT(Findings({"datasets.trainSplit=1", "schedule.evaluations=0"}), IsEmpty());
  EXPECT_THAT(Findings({"datasets.validationFileId=sha256:bb"}), IsEmpty());
}

TEST(RulesTest, SettingsOfAnotherMethodHaveNoEffect) {
  EXPECT_THAT(Findings({"method.type=full", "method.loraConfig.rank=8"}),
              ElementsAre("warning method.loraConfig.rank no_effect"));
  EXPECT_THAT(Findings({"method.prefixLength=8"}),
              ElementsAre("warning method.prefixLength no_effect"));
  EXPECT_THAT(Findings({"method.loraConfig.rank=8"}), IsEmpty()) << "lora is the default";
}

TEST(RulesTest, DevicesMustAgree) {
  EXPECT_THAT(Findings({"hardware.device=cpu", "model.deviceMap=cuda"}),
              ElementsAre("error model.deviceMap contradiction"));
  EXPECT_THAT(Findings({"hardware.device=cuda", "model.deviceMap=auto"}), IsEmpty());
  EXPECT_THAT(Findings({"hardware.device=cuda", "model.precision=fp32"}),
              ElementsAre("warning model.precision much_memory"));
  EXPECT_THAT(Findings({"hardware.device=cpu", "hardware.numGPUs=2"}),
              ElementsAre("warning hardware.numGPUs no_effect"));
}

TEST(RulesTest, ModulesAreNamed) {
  for (const char* good : {"all-linear", "q_proj", "q_proj,v_proj", "q_proj, v_proj"}) {
    EXPECT_THAT(Findings({"method.loraConfig.trainableModules=" + std::string(good)}), IsEmpty());
  }
  for (const char* bad : {"", ",", "q_proj,", ",q_proj", "a,,b", "a, ,b", " "}) {
    EXPECT_THAT(Findings({"method.loraConfig.trainableModules=" + std::string(bad)}),
                ElementsAre("error method.loraConfig.trainableModules empty"))
        << bad;
  }
}

TEST(RulesTest, LogFolderStaysInTheOutput) {
  const std::string enabled = "integrations.tensorboard.enabled=true";
  for (const char* bad : {"/tmp", "..", "a/..", "../a", "a/../b"}) {
    EXPECT_THAT(Findings({enabled, "integrations.tensorboard.logDir=" + std::string(bad)}),
                ElementsAre("error integrations.tensorboard.logDir bad_path"));
  }
  EXPECT_THAT(Findings({enabled, "integrations.tensorboard.logDir=a/..b/c"}), IsEmpty());
}

TEST(RulesTest, RewardsAreNeeded) {
  EXPECT_THAT(Findings({"objective.type=rlhf"}),
              ElementsAre("error objective.rlhf.rewardFunctions required"));
  EXPECT_THAT(Findings({"objective.type=rlhf", "objective.rlhf.rewardFunctions=tool_accuracy"}),
              IsEmpty());
}

TEST(RulesTest, ToolsHaveNamesOfTheirOwn) {
  EXPECT_THAT(Findings({R"(tools=[{"name":"a"},{"function":{"name":"b"}}])"}), IsEmpty());
  EXPECT_THAT(Findings({R"(tools=[{"name":"a"},{"function":{"name":"a"}},{}])"}),
              ElementsAre("error tools[1].name duplicate_value", "error tools[2].name required"));
}

TEST(RulesTest, EveryFindingPointsAtAParameter) {
  const auto findings = Validate(FromJson(R"({"optimizer":{"scheduler":{"warmupRatio":2,
    "warmupSteps":-1}},"schedule":{"epochs":0},"objective":{"type":"rlhf"}})")
                                     .configuration);
  EXPECT_GE(findings.size(), 6U);
  for (const Finding& finding : findings) {
    EXPECT_NE(FindParameter(finding.path), nullptr) << finding.path;
  }
}

}  // namespace
}  // namespace lathe::schema
