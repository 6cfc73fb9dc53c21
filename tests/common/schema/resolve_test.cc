#include <gmock/gmock.h>

#include <map>

#include "common/schema/parameters.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::map<std::string, ResolvedValue> Explained(const v1::JobConfiguration& configuration,
                                               const ResolveOptions& options = {}) {
  std::map<std::string, ResolvedValue> values;
  for (const ResolvedValue& value : Explain(configuration, options)) {
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

/// "value source reason" of one path.
std::string Told(const std::map<std::string, ResolvedValue>& values, const std::string& path) {
  const auto found = values.find(path);
  return found == values.end()
             ? "not set"
             : found->second.value + " " + std::string(ToString(found->second.source)) +
                   (found->second.reason.empty() ? "" : ": ") + found->second.reason;
}

TEST(ResolveTest, EveryValueSaysWhereItComesFrom) {
  const v1::JobConfiguration base =
      Valid({"schedule.epochs=2", "schedule.batchSize=8", "method.loraConfig.rank=32"});
  const Adjustment adjustments[] = {{"schedule.batchSize", "1", "the GPU has 8 GiB"},
                                    {"schedule.epochs", "\"many\"", "does not fit"},
                                    {"schedule.batchsize", "1", "no such path"}};
  const auto values =
      Explained(Valid({"schedule.epochs=5", "hardware.device=cpu"}), {&base, true, adjustments});
  EXPECT_EQ(Told(values, "schedule.epochs"), "5 user");
  EXPECT_EQ(Told(values, "schedule.batchSize"), "1 adjusted: the GPU has 8 GiB");
  EXPECT_EQ(Told(values, "method.loraConfig.rank"), "32 template");
  EXPECT_EQ(Told(values, "method.loraConfig.dropout"), "0.1 profile");
  EXPECT_EQ(Told(values, "method.loraConfig.alpha"), "16 profile");
  EXPECT_EQ(Told(values, "method.type"), "\"lora\" default");
  EXPECT_EQ(Told(values, "model.precision"), "\"fp32\" derived: CPUs compute in fp32");
  EXPECT_EQ(Told(values, "datasets.seed"), "42 derived: the job's seed");
}

TEST(ResolveTest, ExplainHasTheValuesOfResolve) {
  const v1::JobConfiguration base = Valid({"method.type=qlora", "method.loraConfig.rank=32"});
  const Adjustment adjustments[] = {{"optimizations.enabled", R"(["flash_attention"])", "faster"}};
  const ResolveOptions options{&base, true, adjustments};
  const v1::JobConfiguration given = Valid({"schedule.epochs=5"});
  v1::JobConfiguration rebuilt;
  for (const ResolvedValue& value : Explain(given, options)) {
    ASSERT_TRUE(Set(rebuilt, value.path + "=" + value.value).has_value()) << value.path;
  }
  EXPECT_EQ(ToJson(rebuilt), ToJson(Resolve(given, options)));
}

TEST(ResolveTest, ProfilesAreWhatAGuidedFormFillsIn) {
  const auto profile = [](const char* method) {
    return Explained(Valid({"method.type=" + std::string(method)}), {nullptr, true, {}});
  };
  EXPECT_EQ(Told(profile("lora"), "method.loraConfig.rank"), "8 profile");
  EXPECT_EQ(Told(profile("lora"), "method.loraConfig.alpha"), "16 profile");
  EXPECT_EQ(Told(profile("lora"), "method.loraConfig.dropout"), "0.1 profile");
  EXPECT_EQ(Told(profile("qlora"), "method.quantizationBits"), "4 profile");
  EXPECT_EQ(Told(profile("qlora"), "method.loraConfig.rank"), "8 profile");
  EXPECT_EQ(Told(profile("qlora"), "method.loraConfig.dropout"), "0 default");
  EXPECT_EQ(Told(profile("prefix"), "method.prefixLength"), "20 profile");
  EXPECT_EQ(Told(profile("adapter"), "method.adapterSize"), "64 profile");
  EXPECT_THAT(ToJson(MethodProfile(v1::METHOD_TYPE_FULL)), "{}");
}

TEST(ResolveTest, AProfileLeavesWhatWasGiven) {
  const auto values = Explained(Valid({"method.loraConfig.dropout=0"}), {nullptr, true, {}});
  EXPECT_EQ(Told(values, "method.loraConfig.dropout"), "0 user");
}

TEST(OverlayTest, TheBaseSaysWhatIsLeftOpen) {
  const auto base = Valid({"schedule.epochs=2", "optimizations.enabled=flash_attention",
                           "method.loraConfig.rankPattern.q_proj=4", "metadata.a=1"});
  const auto given = Valid({"schedule.batchSize=8", "optimizations.enabled=sequence_packing",
                            "method.loraConfig.rankPattern.v_proj=8", "metadata.b=2"});
  const std::string both = ToJson(Overlay(base, given));
  EXPECT_THAT(both, HasSubstr(R"("schedule":{"epochs":2,"batchSize":8})"));
  EXPECT_THAT(both, HasSubstr(R"("enabled":["sequence_packing"])"));
  EXPECT_THAT(both, HasSubstr(R"("rankPattern":{"v_proj":8})"));
  EXPECT_THAT(both, HasSubstr(R"("metadata":{"b":2})"));
  EXPECT_EQ(ToJson(Overlay({}, given)), ToJson(given));
  EXPECT_EQ(ToJson(Overlay(base, {})), ToJson(base));
}

TEST(OverlayTest, WhatCannotApplyAnyMoreIsLeftOut) {
  const auto base = Valid(
      {"method.type=lora", "method.loraConfig.rank=32", "optimizer.scheduler.warmupSteps=100"});
  const auto prefix = Overlay(base, Valid({"method.type=prefix"}));
  EXPECT_FALSE(prefix.method().has_lora_config());
  EXPECT_THAT(Brief(Validate(prefix)), IsEmpty());
  const auto ratio = Overlay(base, Valid({"optimizer.scheduler.warmupRatio=0.1"}));
  EXPECT_FALSE(ratio.optimizer().scheduler().has_warmup_steps());
  EXPECT_THAT(Brief(Validate(ratio)), IsEmpty());
}

}  // namespace
}  // namespace lathe::schema
