// The coordinator refuses what the trainer would refuse, before a job is queued.

#include <gmock/gmock.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "common/schema/configuration.h"
#include "common/schema/features.h"
#include "common/schema/parameters.h"
#include "coordinator/providers/check.h"
#include "coordinator/providers/cluster.h"
#include "worker/devices/trainer_probe.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::providers {
namespace {

using nlohmann::json;

/// What this machine's trainer, the program, tells a worker.
const v1::TrainerCapabilities& Told() {
  static const auto told = worker::devices::ProbeCapabilities(
      {.trainer = std::filesystem::path(std::getenv("LATHE_BINARY_DIR")) / "lathe-trainer",
       .cancelled = [] { return false; }});
  static const v1::TrainerCapabilities none;
  EXPECT_TRUE(told) << told.error().message;
  return told ? *told : none;
}

TEST(TrainerAgreement, TheBuiltInDescriptionIsTheTrainersOwn) {
  const Engine& built_in = Engines().front();
  const Engine told = ClusterEngine({Told()}, "cpu");
  ASSERT_GT(Told().accepted_size(), 0);
  const char* remedy = "copy it from `lathe-trainer capabilities` into engines/lathe.json";
  EXPECT_EQ(built_in.accepts, told.accepts) << remedy;
  EXPECT_EQ(built_in.notes, told.notes) << remedy;
  EXPECT_THAT(built_in.optimizations, testing::UnorderedElementsAreArray(told.optimizations))
      << remedy;
}

TEST(TrainerAgreement, EveryTrainerDoesTheDefaults) {
  const auto lacks = schema::LackedFeatures(Told());
  EXPECT_THAT(lacks, testing::Contains("cpu objective.type=rlhf"));
  for (const schema::Parameter& parameter : schema::ParameterPaths()) {
    const std::string& value = parameter.spec->default_value();
    if (parameter.type != schema::ParameterType::kEnumeration || value.size() < 2) continue;
    const std::string token = value.substr(1, value.size() - 2);
    EXPECT_THAT(lacks, testing::Not(testing::Contains("cpu " + parameter.path + "=" + token)))
        << "a job that does not set it is placed there";
  }
}

/// The paths with an error for the trainer's own reader of plans.
std::vector<std::string> RefusedByTrainer(const json& configuration) {
  const json plan = {{"planVersion", 1},
                     {"jobId", "j"},
                     {"attempt", 1},
                     {"device", "cpu"},
                     {"configuration", configuration},
                     {"paths", {{"baseModel", "/m"}, {"train", "/t"}, {"output", "/o"}}}};
  const auto parsed = trainer::plan::ParsePlan(plan.dump());
  std::vector<std::string> paths;
  if (parsed) return paths;
  for (const Finding& finding : parsed.error().findings) paths.push_back(finding.path);
  return paths;
}

/// The same before a job is queued: structure, values and this cluster.
std::vector<std::string> RefusedByCoordinator(json configuration) {
  configuration["model"]["baseModel"] = "m";
  configuration["datasets"]["trainingFileId"] = "t";
  const schema::Parsed parsed = schema::FromJson(configuration.dump());
  std::vector<Finding> findings = schema::AllFindings(parsed);
  for (Finding& finding : CheckEngine(ClusterEngine({Told()}, "cpu"), parsed.configuration)) {
    findings.push_back(std::move(finding));
  }
  std::vector<std::string> paths;
  for (const Finding& finding : findings) {
    if (finding.severity == Severity::kError) paths.push_back(finding.path);
  }
  return paths;
}

json At(const std::string& path, json value) {
  const std::size_t dot = path.find('.');
  if (dot == std::string::npos) return json{{path, std::move(value)}};
  return json{{path.substr(0, dot), At(path.substr(dot + 1), std::move(value))}};
}

TEST(TrainerAgreement, OnEveryTokenOfEveryEnumeration) {
  int tokens = 0;
  for (const schema::Parameter& parameter : schema::ParameterPaths()) {
    if (parameter.type != schema::ParameterType::kEnumeration) continue;
    if (parameter.path.find("[]") != std::string::npos) continue;
    for (const std::string& token : parameter.tokens) {
      const json value = parameter.repeated ? json::array({token}) : json(token);
      const json configuration = At(parameter.path, value);
      ++tokens;
      if (RefusedByTrainer(configuration).empty()) continue;
      EXPECT_FALSE(RefusedByCoordinator(configuration).empty())
          << "the trainer refuses " << configuration;
    }
  }
  EXPECT_GT(tokens, 60);
}

TEST(TrainerAgreement, WhatTheTrainerDoesIsNotRefused) {
  for (const auto& row : Told().accepted()) {
    const schema::Parameter* parameter = schema::FindParameter(row.path());
    ASSERT_NE(parameter, nullptr) << row.path();
    for (const std::string& token : row.values()) {
      const json value = parameter->repeated ? json::array({token}) : json(token);
      EXPECT_THAT(RefusedByCoordinator(At(row.path(), value)), testing::IsEmpty()) << token;
      EXPECT_THAT(RefusedByTrainer(At(row.path(), value)), testing::IsEmpty()) << token;
    }
  }
}

struct Refused {
  const char* configuration;
  const char* path;
};

/// One for each reason that worker/trainer/plan has.
constexpr Refused kRefused[] = {
    {R"({"schedule":{"batchsize":4}})", "schedule.batchsize"},
    {R"({"schedule":{"epochs":0}})", "schedule.epochs"},
    {R"({"schedule":{"epochs":"3"}})", "schedule.epochs"},
    {R"({"schedule":{"epochs":2.5}})", "schedule.epochs"},
    {R"({"schedule":[]})", "schedule"},
    {R"({"method":{"type":"soft"}})", "method.type"},
    {R"({"method":{"quantizationBits":5,"type":"qlora"}})", "method.quantizationBits"},
    {R"({"objective":{"dpo":{"beta":0},"type":"dpo"}})", "objective.dpo.beta"},
    {R"({"objective":{"type":"rlhf"}})", "objective.type"},
    {R"({"model":{"precision":"int4"}})", "model.precision"},
    {R"({"tokenizer":{"paddingSide":"left"}})", "tokenizer.paddingSide"},
    {R"({"optimizations":{"enabled":["warp_drive"]}})", "optimizations.enabled[0]"},
    {R"({"optimizations":{"enabled":["optimizer_8bit"]},"optimizer":{"name":"lion"}})",
     "optimizations.enabled"},
    {R"({"optimizations":{"enabled":["paged_optimizer"]},"optimizer":{"name":"sgd"}})",
     "optimizations.enabled"},
    {R"({"objective":{"type":"dpo"},"datasets":{"type":"supervised"}})", "datasets.type"},
    {R"({"datasets":{"type":"preference"}})", "datasets.type"},
    {R"({"objective":{"type":"dpo"},"datasets":{"format":"messages"}})", "datasets.format"},
    {R"({"datasets":{"format":"preference"}})", "datasets.format"},
    {R"({"objective":{"type":"dpo","dpo":{"lossType":"ipo","labelSmoothing":0.1}}})",
     "objective.dpo.labelSmoothing"},
    {R"({"optimizer":{"scheduler":{"warmupSteps":5,"warmupRatio":0.1}}})",
     "optimizer.scheduler.warmupSteps"},
    {R"({"method":{"loraConfig":{"trainableModules":" , "}}})",
     "method.loraConfig.trainableModules"},
    {R"({"method":{"loraConfig":{"rankPattern":{"q_proj":0}}}})",
     "method.loraConfig.rankPattern.q_proj"},
    {R"({"tools":["search"]})", "tools[0]"},
};

TEST(TrainerAgreement, EachRefusalOfTheTrainerHasAFinding) {
  for (const Refused& row : kRefused) {
    const json configuration = json::parse(row.configuration);
    EXPECT_THAT(RefusedByTrainer(configuration), testing::Not(testing::IsEmpty()))
        << row.configuration << " is no refusal of the trainer any more";
    EXPECT_THAT(RefusedByCoordinator(configuration), testing::Contains(row.path))
        << row.configuration;
  }
}

}  // namespace
}  // namespace lathe::providers
