// Whole runs by the real program: evaluation, early stopping, steps that are not finite, tools.

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/worker/trainer/commands/trainer_fixture.h"
#include "worker/trainer/formats/safetensors.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class RunTest : public TrainerFixture {
 protected:
  std::vector<Json> EventsOf(const std::string& type) const {
    std::vector<Json> found;
    for (const Json& event : Events()) {
      if (event["type"] == type) found.push_back(event);
    }
    return found;
  }
};

TEST_F(RunTest, EvaluatesWhatItTrainsOn) {
  plan_["paths"]["validation"] = root() / "train.jsonl";
  plan_["configuration"]["schedule"] = {
      {"maxSteps", 2}, {"batchSize", 3}, {"gradientAccumulation", 3}, {"evalSteps", 1}};
  plan_["configuration"]["optimizer"] = {{"learningRate", 1e-9}};
  ASSERT_EQ(Run(), 0) << errors();
  const auto metrics = EventsOf("metric");
  const auto evaluations = EventsOf("evaluation");
  ASSERT_EQ(metrics.size(), 2U);
  ASSERT_EQ(evaluations.size(), 2U);
  // A step holds all eight rows; with next to no learning rate both losses are the base's.
  EXPECT_NEAR(metrics[0]["loss"].get<double>(), evaluations[1]["loss"].get<double>(), 1e-5);
  EXPECT_EQ(metrics[0]["targetTokens"], evaluations[0]["targetTokens"]);
  EXPECT_EQ(Events().back()["evaluationLoss"], evaluations[1]["loss"]);
}

TEST_F(RunTest, StopsEarlyWithoutGainAndStaysStopped) {
  plan_["paths"]["validation"] = root() / "train.jsonl";
  plan_["configuration"]["schedule"] = {{"maxSteps", 50},
                                        {"batchSize", 2},
                                        {"evalSteps", 1},
                                        {"earlyStoppingPatience", 2},
                                        {"earlyStoppingThreshold", 100}};
  ASSERT_EQ(Run(), 0) << errors();
  EXPECT_EQ(EventsOf("metric").size(), 3U);  // The first is the best; two without gain follow.
  EXPECT_EQ(Events().back()["step"], 3);
  ASSERT_EQ(Run(), 0);
  EXPECT_EQ(EventsOf("metric").size(), 3U);
}

TEST_F(RunTest, LearnsOnAndOnWhenThereIsGain) {
  plan_["paths"]["validation"] = root() / "train.jsonl";
  plan_["configuration"]["schedule"] = {
      {"maxSteps", 12}, {"batchSize", 8}, {"evalSteps", 2}, {"earlyStoppingPatience", 1}};
  plan_["configuration"]["optimizer"] = {{"learningRate", 1e-2},
                                         {"scheduler", {{"warmupRatio", 0}}}};
  ASSERT_EQ(Run(), 0) << errors();
  const auto evaluations = EventsOf("evaluation");
  ASSERT_EQ(evaluations.size(), 6U);
  EXPECT_LT(evaluations.back()["loss"], evaluations.front()["loss"]);
}

TEST_F(RunTest, StepsThatAreNotFiniteAreSkippedCountedAndAtLastGivenUp) {
  const fs::path adapter = root() / "adapter";
  fs::create_directories(adapter);
  const fs::path good = parity::Golden("runs/llama_lora_qv/initial_adapter");
  fs::copy_file(good / "adapter_config.json", adapter / "adapter_config.json");
  const auto file = parity::Open(good / "adapter_model.safetensors");
  std::vector<formats::TensorInfo> tensors = file.tensors();
  std::vector<float> values(tensors[0].data.size() / sizeof(float),
                            std::numeric_limits<float>::quiet_NaN());
  tensors[0].data = std::as_bytes(std::span(values));
  ASSERT_TRUE(formats::WriteSafetensors(adapter / "adapter_model.safetensors", tensors, {}));
  plan_["paths"]["initAdapter"] = adapter;
  plan_["configuration"]["schedule"]["maxSteps"] = 20;
  plan_["configuration"]["method"] = {
      {"loraConfig", {{"rank", 4}, {"alpha", 8}, {"trainableModules", "q_proj,v_proj"}}}};
  EXPECT_EQ(Run(), trainer_protocol::kExitInvalid);  // Another try would end the same way.
  EXPECT_EQ(EventsOf("metric").size(), 5U);
  EXPECT_TRUE(EventsOf("metric")[0]["loss"].is_null());
  const auto warnings = EventsOf("warning");
  ASSERT_EQ(warnings.size(), 4U);
  EXPECT_THAT(warnings[0]["message"].get<std::string>(), HasSubstr("step 1 was skipped"));
  const std::string message = Events().back()["message"];
  EXPECT_THAT(message, HasSubstr("5 steps in a row"));
  EXPECT_THAT(message, HasSubstr("lower optimizer.learningRate"));
  EXPECT_FALSE(fs::exists(root() / "out/adapter"));
}

TEST_F(RunTest, TheSameSeedGivesTheSameAdapter) {
  plan_["configuration"]["method"] = {{"loraConfig", {{"dropout", 0.2}}}};
  ASSERT_EQ(Run(), 0) << errors();
  plan_["paths"]["output"] = root() / "again";
  ASSERT_EQ(Run(), 0);
  const fs::path weights = "adapter/adapter_model.safetensors";
  EXPECT_EQ(*ReadFile(root() / "out" / weights), *ReadFile(root() / "again" / weights));
  plan_["paths"]["output"] = root() / "other";
  plan_["configuration"]["seed"] = 43;
  ASSERT_EQ(Run(), 0);
  EXPECT_NE(*ReadFile(root() / "out" / weights), *ReadFile(root() / "other" / weights));
}

}  // namespace
}  // namespace lathe::trainer::commands
