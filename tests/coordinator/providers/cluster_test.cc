#include "coordinator/providers/cluster.h"

#include <gmock/gmock.h>

#include "common/schema/configuration.h"
#include "common/schema/parameters.h"
#include "coordinator/providers/check.h"

namespace lathe::providers {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

struct SupportRow {
  std::string path;
  std::vector<std::string> values;
  std::string device = "cpu";
};

v1::TrainerCapabilities Trainer(const std::vector<SupportRow>& rows,
                                const std::map<std::string, std::string>& without_effect = {}) {
  v1::TrainerCapabilities trainer;
  for (const SupportRow& row : rows) {
    auto& accepted = *trainer.add_accepted();
    accepted.set_path(row.path);
    accepted.set_device(row.device);
    for (const std::string& value : row.values) accepted.add_values(value);
  }
  trainer.mutable_without_effect()->insert(without_effect.begin(), without_effect.end());
  return trainer;
}

TEST(ClusterEngineTest, WithoutATrainersWordTheDescriptionStands) {
  EXPECT_EQ(ClusterEngine({}, "cpu").accepts, Engines().front().accepts);
  EXPECT_EQ(ClusterEngine({Trainer({{"method.type", {"lora"}}})}, "cuda").accepts,
            Engines().front().accepts);
}

TEST(ClusterEngineTest, WhatATrainerTellsTakesItsPlace) {
  const Engine engine = ClusterEngine(
      {Trainer({{"method.type", {"lora"}}, {"optimizations.enabled", {"fused_kernels"}}},
               {{"tokenizer.name", "why"}})},
      "cpu");
  EXPECT_EQ(engine.accepts.size(), 1U);
  EXPECT_THAT(engine.accepts.at("method.type"), ElementsAre("lora"));
  EXPECT_THAT(engine.optimizations, ElementsAre("fused_kernels"));
  EXPECT_EQ(engine.notes, (std::map<std::string, std::string>{{"tokenizer.name", "why"}}));
  EXPECT_EQ(engine.ranges.size(), Engines().front().ranges.size());
}

TEST(ClusterEngineTest, OneTrainerThatCanIsEnough) {
  const auto old = Trainer({{"method.type", {"lora"}}, {"objective.type", {"sft"}}},
                           {{"tokenizer.name", "why"}, {"evaluation.metrics", "why"}});
  const auto young = Trainer({{"method.type", {"lora", "full"}}}, {{"tokenizer.name", "why"}});
  const Engine engine = ClusterEngine({old, young}, "cpu");
  EXPECT_THAT(engine.accepts.at("method.type"), UnorderedElementsAre("lora", "full"));
  EXPECT_FALSE(engine.accepts.contains("objective.type"));
  EXPECT_EQ(engine.optimizations, schema::FindParameter("optimizations.enabled")->tokens);
  EXPECT_EQ(engine.notes.size(), 1U);
}

TEST(ClusterEngineTest, DevicesAreToldApart) {
  const auto trainer =
      Trainer({{"method.type", {"lora"}, "cpu"}, {"method.type", {"lora", "qlora"}, "cuda"}});
  EXPECT_THAT(ClusterEngine({trainer}, "cpu").accepts.at("method.type"), ElementsAre("lora"));
  EXPECT_THAT(ClusterEngine({trainer}, "cuda").accepts.at("method.type"),
              ElementsAre("lora", "qlora"));
  EXPECT_THAT(ClusterEngine({trainer}, "").accepts.at("method.type"),
              UnorderedElementsAre("lora", "qlora"));
}

TEST(ClusterEngineTest, WhatNoTrainerDoesIsAnError) {
  const Engine engine = ClusterEngine(
      {Trainer({{"method.type", {"lora"}}, {"optimizations.enabled", {"fused_kernels"}}},
               {{"integrations.tensorboard.enabled", "why"}})},
      "cpu");
  const auto codes = [&](const char* json) {
    std::vector<std::string> out;
    for (const Finding& finding : CheckEngine(engine, schema::FromJson(json).configuration)) {
      out.push_back(std::string(ToString(finding.severity)) + " " + finding.path);
    }
    return out;
  };
  EXPECT_THAT(codes(R"({"method":{"type":"full"}})"), Contains("error method.type"));
  EXPECT_THAT(codes(R"({"optimizations":{"enabled":["dynamic_padding"]}})"),
              Contains("error optimizations.enabled"));
  EXPECT_THAT(codes(R"({"integrations":{"tensorboard":{"enabled":true}}})"),
              Contains("warning integrations.tensorboard.enabled"));
  EXPECT_THAT(codes(R"({"integrations":{"tensorboard":{"enabled":false}}})"), IsEmpty());
  EXPECT_THAT(codes("{}"), Not(Contains(testing::HasSubstr("error"))));
}

}  // namespace
}  // namespace lathe::providers
