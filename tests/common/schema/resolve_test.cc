#include <gmock/gmock.h>

#include <map>

#include "common/schema/parameters.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::map<std::string, ResolvedValue> Explained(const v1::JobConfiguration& configuration) {
  std::map<std::string, ResolvedValue> values;
  for (const ResolvedValue& value : Explain(configuration)) {
    values[value.path] = value;
  }
  return values;
}

TEST(ResolveTest, FillsEveryDefaultThatApplies) {
  const auto values = Explained(Valid());
  for (const Parameter& parameter : ParameterPaths()) {
    if (parameter.spec->default_value().empty() || !parameter.depends_on.empty() ||
        parameter.path.find('[') != std::string::npos) {
      continue;
    }
    ASSERT_EQ(values.count(parameter.path), 1U) << parameter.path;
    EXPECT_EQ(values.at(parameter.path).source, ValueSource::kDefault) << parameter.path;
  }
  EXPECT_EQ(values.at("model.baseModel").source, ValueSource::kUser);
  EXPECT_EQ(values.at("method.loraConfig.rank").value, "8");
}

TEST(ResolveTest, FillsOnlyTheChosenMethod) {
  const v1::JobConfiguration prefix = Resolve(Valid({"method.type=prefix"}));
  EXPECT_FALSE(prefix.method().has_lora_config());
  EXPECT_EQ(prefix.method().prefix_length(), 20);
  EXPECT_FALSE(prefix.method().has_adapter_size());
  const v1::JobConfiguration qlora = Resolve(Valid({"method.type=qlora"}));
  EXPECT_EQ(qlora.method().lora_config().alpha(), 16);
  EXPECT_EQ(qlora.method().quantization_bits(), 4);
  EXPECT_TRUE(qlora.method().double_quant());
  EXPECT_FALSE(Resolve(Valid()).method().has_quantization_bits());
  EXPECT_FALSE(Resolve(Valid()).objective().has_dpo());
  EXPECT_EQ(Resolve(Valid({"objective.type=dpo"})).objective().dpo().beta(), 0.1);
}

TEST(ResolveTest, LeavesWhatWasGiven) {
  const v1::JobConfiguration given =
      Valid({"schedule.epochs=7", "method.loraConfig.rank=3", "datasets.trainSplit=0.5",
             "datasets.validationFileId=sha256:bb", "datasets.seed=5", "model.precision=bf16",
             "hardware.device=cpu"});
  const v1::JobConfiguration resolved = Resolve(given);
  EXPECT_EQ(resolved.schedule().epochs(), 7);
  EXPECT_EQ(resolved.method().lora_config().rank(), 3);
  EXPECT_EQ(resolved.datasets().train_split(), 0.5);
  EXPECT_EQ(resolved.datasets().seed(), 5);
  EXPECT_EQ(resolved.model().precision(), v1::PRECISION_BF16);
}

TEST(ResolveTest, DerivesWhatFollowsFromOtherValues) {
  auto values = Explained(Valid({"seed=9", "datasets.validationFileId=sha256:bb",
                                 "hardware.device=cpu", "objective.type=dpo"}));
  EXPECT_EQ(values["datasets.seed"].value, "9");
  EXPECT_EQ(values["datasets.seed"].source, ValueSource::kDerived);
  EXPECT_EQ(values["datasets.trainSplit"].value, "1");
  EXPECT_EQ(values["datasets.trainSplit"].source, ValueSource::kDerived);
  EXPECT_EQ(values["model.precision"].value, "\"fp32\"");
  EXPECT_EQ(values["datasets.type"].value, "\"preference\"");
  EXPECT_EQ(values.count("schedule.maxSteps"), 0U);
  EXPECT_EQ(Explained(Valid()).count("model.precision"), 0U) << "the machine decides it";
}

TEST(ResolveTest, OneWarmupAlone) {
  const v1::SchedulerConfiguration steps =
      Resolve(Valid({"optimizer.scheduler.warmupSteps=5"})).optimizer().scheduler();
  EXPECT_FALSE(steps.has_warmup_ratio());
  EXPECT_EQ(steps.warmup_steps(), 5);
  EXPECT_TRUE(Resolve(Valid()).optimizer().scheduler().has_warmup_ratio());
}

TEST(ResolveTest, AResolvedConfigurationIsFineAndResolvesToItself) {
  for (const char* method : {"full", "lora", "qlora", "prefix", "adapter"}) {
    for (const char* objective : {"sft", "dpo"}) {
      const v1::JobConfiguration resolved = Resolve(Valid(
          {"method.type=" + std::string(method), "objective.type=" + std::string(objective)}));
      EXPECT_FALSE(HasErrors(Validate(resolved))) << method;
      EXPECT_EQ(ToJson(Resolve(resolved)), ToJson(resolved)) << method;
      EXPECT_THAT(FromJson(ToJson(resolved)).findings, IsEmpty()) << method;
    }
  }
}

TEST(ResolveTest, WhatIsStoredStaysAsItWas) {
  const v1::JobConfiguration given = Valid();
  const std::string before = ToJson(given);
  Resolve(given);
  EXPECT_EQ(ToJson(given), before);
  EXPECT_THAT(before, Not(HasSubstr("epochs")));
}

}  // namespace
}  // namespace lathe::schema
