#include "common/schema/features.h"

#include <gmock/gmock.h>

#include "common/schema/configuration.h"

namespace lathe::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Required(const char* json) {
  const Parsed parsed = FromJson(json);
  EXPECT_THAT(parsed.findings, IsEmpty());
  return RequiredFeatures(parsed.configuration, "cpu");
}

TEST(FeaturesTest, WhatIsSetAppliesAndIsNotTheDefault) {
  EXPECT_THAT(Required(R"({"model":{"baseModel":"m"},"schedule":{"epochs":7},"seed":3})"),
              IsEmpty());
  EXPECT_THAT(Required(R"({"method":{"type":"lora"},"objective":{"type":"sft"}})"), IsEmpty())
      << "defaults";
  EXPECT_THAT(Required(R"({"hardware":{"device":"cpu"},"model":{"deviceMap":"cpu"}})"), IsEmpty())
      << "where it runs is no feature";
  EXPECT_THAT(Required(R"({"method":{"type":"lora","quantType":"fp4"}})"), IsEmpty())
      << "does not apply";
  EXPECT_THAT(
      Required(R"({"method":{"type":"qlora","quantType":"fp4"},"optimizer":{"name":"lion"},)"
               R"("optimizations":{"enabled":["sequence_packing","flash_attention"]}})"),
      ElementsAre("cpu method.quantType=fp4", "cpu method.type=qlora",
                  "cpu optimizations.enabled=flash_attention",
                  "cpu optimizations.enabled=sequence_packing", "cpu optimizer.name=lion"));
}

TEST(FeaturesTest, ATrainerLacksWhatItDoesNotAccept) {
  v1::TrainerCapabilities trainer;
  const auto accept = [&](const char* device, const char* path, std::vector<std::string> values) {
    auto& row = *trainer.add_accepted();
    row.set_device(device);
    row.set_path(path);
    row.mutable_values()->Assign(values.begin(), values.end());
  };
  EXPECT_THAT(LackedFeatures(trainer), IsEmpty()) << "nothing is restricted";
  accept("cpu", "objective.type", {"sft", "one of a later release"});
  accept("cuda", "objective.type", {"sft", "dpo", "rlhf"});
  accept("cuda", "method.adapterVariant", {"pfeiffer", "houlsby"});
  accept("cpu", "a.path.of.a.later.release", {"x"});
  EXPECT_THAT(LackedFeatures(trainer),
              ElementsAre("cpu objective.type=dpo", "cpu objective.type=rlhf",
                          "cuda method.adapterVariant=parallel"));
}

}  // namespace
}  // namespace lathe::schema
