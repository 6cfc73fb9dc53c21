#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "common/base/file_io.h"
#include "worker/trainer/plan/parameter_table.h"
#include "worker/trainer/plan/plan.h"

namespace lathe::trainer::plan {
namespace {

using Json = nlohmann::json;

Json Minimal() {
  return {{"planVersion", 1},
          {"jobId", "j"},
          {"attempt", 1},
          {"device", "cpu"},
          {"configuration", Json::object()},
          {"paths", {{"baseModel", "/m"}, {"train", "/t"}, {"output", "/o"}}}};
}

std::vector<std::string> WrongPaths(const Json& plan) {
  const auto parsed = ParsePlan(plan.dump());
  std::vector<std::string> paths;
  if (parsed) return paths;
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalidArgument);
  for (const Finding& finding : parsed.error().findings) paths.push_back(finding.path);
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(ParsePlanTest, WhatIsLeftOutGetsTheSchemasDefaults) {
  const auto plan = ParsePlan(Minimal().dump());
  ASSERT_TRUE(plan.has_value()) << plan.error().message;
  EXPECT_EQ(plan->lora.rank, 8);
  EXPECT_EQ(plan->precision, "fp32");
  EXPECT_EQ(plan->data.train_split, 0.9);
  EXPECT_EQ(plan->optimizer.schedule, "cosine");
}

TEST(ParsePlanTest, NoParameterIsPassedOverInSilence) {
  std::string sources;
  for (const char* name : {"parse.cc", "support.cc"}) {
    const std::string folder =
        std::string(std::getenv("LATHE_SOURCE_DIR")) + "/worker/trainer/plan/";
    sources += ReadFile(folder + name).value();
  }
  // Whose they are: the coordinator's; refused or told with their section's main parameter.
  const std::vector<std::string> elsewhere = {
      "hardware.",      "model.deviceMap",           "integrations.wandb.",
      "tools[].",       "integrations.huggingface.", "integrations.tensorboard.",
      "objective.rlhf."};
  for (const Parameter& parameter : kParameters) {
    const std::string path(parameter.path);
    if (std::any_of(elsewhere.begin(), elsewhere.end(),
                    [&](const std::string& prefix) { return path.starts_with(prefix); })) {
      continue;
    }
    const std::string name =
        path.starts_with("method.loraConfig.") ? path.substr(path.find_last_of('.') + 1) : path;
    EXPECT_TRUE(sources.find('"' + name + '"') != std::string::npos ||
                sources.find('"' + path + '"') != std::string::npos)
        << path << " is neither read nor told to have no effect";
  }
}

TEST(ParsePlanTest, WhatHasNoEffectIsTold) {
  Json plan = Minimal();
  plan["configuration"] = {
      {"model", {{"revision", "main"}, {"trustRemoteCode", false}}},
      {"output", {{"adapterName", "mine"}}},
      {"evaluation", {{"metrics", {"perplexity", "token_accuracy", "tool_accuracy"}}}}};
  const auto parsed = ParsePlan(plan.dump());
  ASSERT_TRUE(parsed) << parsed.error().message;
  ASSERT_EQ(parsed->warnings.size(), 2U);
  EXPECT_EQ(parsed->warnings[0].find("model.revision has no effect"), 0U);
  EXPECT_EQ(parsed->warnings[1].find("output.adapterName has no effect"), 0U);
  EXPECT_TRUE(parsed->evaluation.tool_accuracy);
  EXPECT_FALSE(parsed->evaluation.response_quality);
  plan["configuration"]["objective"] = {{"type", "dpo"}};
  const auto pairs = ParsePlan(plan.dump());
  ASSERT_TRUE(pairs) << pairs.error().message;
  ASSERT_EQ(pairs->warnings.size(), 4U);
  EXPECT_NE(pairs->warnings[0].find("perplexity is not measured of pairs"), std::string::npos);
}

TEST(ParsePlanTest, ASettingAtItsDefaultIsNoOtherRun) {
  Json plan = Minimal();
  const std::string settings = ParsePlan(plan.dump())->settings;
  plan["configuration"] = {{"datasets", {{"longRows", "truncate"}}},
                           {"optimizer", {{"learningRate", 1e-5}}}};
  EXPECT_EQ(ParsePlan(plan.dump())->settings, settings);
  plan["configuration"]["datasets"]["longRows"] = "drop";
  EXPECT_NE(ParsePlan(plan.dump())->settings, settings);
}

TEST(ParsePlanTest, EverythingWrongIsToldAtOnce) {
  Json plan = Minimal();
  plan["surplus"] = 1;
  plan["configuration"] = {{"schedule", {{"batchsize", 3}, {"epochs", 0}}},
                           {"method", {{"type", "soft"}}}};
  EXPECT_EQ(WrongPaths(plan), (std::vector<std::string>{
                                  "configuration.method.type", "configuration.schedule.batchsize",
                                  "configuration.schedule.epochs", "surplus"}));
}

TEST(ParsePlanTest, EveryMethodHasItsSettings) {
  Json plan = Minimal();
  plan["configuration"] = {{"method", {{"type", "full"}}}};
  EXPECT_EQ(ParsePlan(plan.dump())->method, "full");
  plan["configuration"] = {
      {"method", {{"type", "prefix"}, {"prefixProjection", true}, {"prefixHiddenSize", 12}}}};
  const auto prefix = ParsePlan(plan.dump());
  EXPECT_EQ(prefix->prefix.length, 20);
  EXPECT_TRUE(prefix->prefix.projection);
  EXPECT_EQ(prefix->prefix.projection_size, 12);
  plan["configuration"] = {{"method", {{"type", "adapter"}, {"adapterVariant", "houlsby"}}}};
  const auto adapter = ParsePlan(plan.dump());
  EXPECT_EQ(adapter->bottleneck.size, 64);
  EXPECT_EQ(adapter->bottleneck.variant, "houlsby");
  EXPECT_NE(adapter->settings, prefix->settings);
}

TEST(ParsePlanTest, OptimizationsChooseTheFormOfAdamW) {
  Json plan = Minimal();
  const std::string plain = ParsePlan(plan.dump())->settings;
  plan["configuration"]["optimizations"]["enabled"] = {"optimizer_8bit", "paged_optimizer"};
  const auto parsed = ParsePlan(plan.dump());
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->optimizer.name, "adamw_8bit");
  EXPECT_TRUE(parsed->optimizer.paged);
  EXPECT_NE(parsed->settings, plain);  // Another form gives other values.
  ASSERT_EQ(parsed->warnings.size(), 1U);
  EXPECT_NE(parsed->warnings[0].find("no effect on a CPU"), std::string::npos);
  plan["configuration"]["optimizer"]["name"] = "adamw_8bit";
  plan["configuration"]["optimizations"]["enabled"] = Json::array();
  EXPECT_EQ(ParsePlan(plan.dump())->optimizer.name, "adamw_8bit");
  plan["configuration"]["optimizer"]["name"] = "lion";
  plan["configuration"]["optimizations"]["enabled"] = {"optimizer_8bit"};
  EXPECT_EQ(WrongPaths(plan), std::vector<std::string>{"configuration.optimizations.enabled"});
}

TEST(ParsePlanTest, SaysHowManyProcessesShareTheWork) {
  Json plan = Minimal();
  const std::string alone = ParsePlan(plan.dump())->settings;
  plan["distributed"] = {{"worldSize", 2}};
  const auto parsed = ParsePlan(plan.dump());
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->world_size, 2);
  EXPECT_EQ(parsed->settings, alone);  // Another number goes on with the same checkpoint.
  EXPECT_EQ(parsed->base_weights, "auto");
  plan["distributed"]["baseWeights"] = "sharded";
  EXPECT_EQ(ParsePlan(plan.dump())->base_weights, "sharded");
  EXPECT_EQ(ParsePlan(plan.dump())->settings, alone);
  plan["distributed"] = {{"worldSize", 0}, {"rank", 1}, {"baseWeights", "here"}};
  EXPECT_EQ(WrongPaths(plan),
            (std::vector<std::string>{"distributed.baseWeights", "distributed.rank",
                                      "distributed.worldSize"}));
}

TEST(ParsePlanTest, AnotherVersionIsRefused) {
  Json plan = Minimal();
  plan["planVersion"] = 2;
  EXPECT_FALSE(ParsePlan(plan.dump()).has_value());
}

TEST(ParsePlanTest, PairsAreForDpoAndDpoIsForPairs) {
  Json plan = Minimal();
  plan["configuration"] = {{"objective", {{"type", "dpo"}}},
                           {"datasets", {{"type", "supervised"}, {"format", "messages"}}}};
  EXPECT_EQ(WrongPaths(plan), (std::vector<std::string>{"configuration.datasets.format",
                                                        "configuration.datasets.type"}));
  plan["configuration"]["objective"] = {{"type", "sft"}};
  plan["configuration"]["datasets"] = {{"type", "preference"}, {"format", "preference"}};
  EXPECT_EQ(WrongPaths(plan), (std::vector<std::string>{"configuration.datasets.format",
                                                        "configuration.datasets.type"}));
}

TEST(ParsePlanTest, PreferenceSettingsAreRead) {
  Json plan = Minimal();
  plan["configuration"] = {
      {"objective",
       {{"type", "dpo"}, {"dpo", {{"beta", 0.3}, {"lossType", "ipo"}, {"referenceFree", true}}}}}};
  const auto parsed = ParsePlan(plan.dump());
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->objective.type, "dpo");
  EXPECT_EQ(parsed->objective.loss, "ipo");
  EXPECT_EQ(parsed->objective.beta, 0.3);
  EXPECT_TRUE(parsed->objective.reference_free);
  plan["configuration"]["objective"]["dpo"]["labelSmoothing"] = 0.1;
  EXPECT_EQ(WrongPaths(plan),
            std::vector<std::string>{"configuration.objective.dpo.labelSmoothing"});
}

TEST(ParsePlanTest, NothingIsHeldBackWithoutEvaluations) {
  Json plan = Minimal();
  plan["configuration"] = {{"schedule", {{"evaluations", 0}}}};
  EXPECT_EQ(ParsePlan(plan.dump())->data.train_split, 1);
}

TEST(ParsePlanTest, ToolsComeAsChatTemplatesExpectThem) {
  Json plan = Minimal();
  plan["configuration"] = {
      {"tools",
       {{{"name", "a"}, {"description", "first"}, {"parameters", {{"type", "object"}}}},
        {{"name", "b"}, {"type", "function"}, {"function", {{"name", "b"}}}}}}};
  const auto parsed = ParsePlan(plan.dump());
  ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
  EXPECT_EQ(parsed->data.tools,
            R"([{"type":"function","function":{"name":"a","description":"first",)"
            R"("parameters":{"type":"object"}}},{"type":"function","function":{"name":"b"}}])");
  EXPECT_NE(parsed->settings, ParsePlan(Minimal().dump())->settings);  // They change the text.
  plan["configuration"]["tools"] = {3};
  EXPECT_EQ(WrongPaths(plan), std::vector<std::string>{"configuration.tools[0]"});
}

TEST(ParsePlanTest, ModuleNamesThatNameNothingAreRefused) {
  Json plan = Minimal();
  plan["configuration"] = {{"method", {{"loraConfig", {{"trainableModules", " , "}}}}}};
  EXPECT_EQ(WrongPaths(plan),
            std::vector<std::string>{"configuration.method.loraConfig.trainableModules"});
  plan["configuration"] = {{"method", {{"loraConfig", {{"trainableModules", " q_proj , x"}}}}}};
  EXPECT_EQ(ParsePlan(plan.dump())->lora.modules, (std::vector<std::string>{"q_proj", "x"}));
}

TEST(ParsePlanTest, WholeNumbersBeyondTheirTypeAreRefused) {
  Json plan = Minimal();
  plan["configuration"] = {{"seed", 18446744073709551615ULL}};
  EXPECT_EQ(WrongPaths(plan), std::vector<std::string>{"configuration.seed"});
}

}  // namespace
}  // namespace lathe::trainer::plan
