// Whole runs by the real program: evaluation, early stopping, steps that are not finite, tools.

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/worker/trainer/commands/trainer_fixture.h"
#include "tests/worker/trainer/loop/talking_model.h"
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
  EXPECT_NEAR(metrics[0]["tokenAccuracy"].get<double>(),
              evaluations[1]["tokenAccuracy"].get<double>(), 1e-9);
  EXPECT_NEAR(evaluations[1]["perplexity"].get<double>(),
              std::exp(evaluations[1]["loss"].get<double>()), 1e-6);
  EXPECT_EQ(Events().back()["evaluationLoss"], evaluations[1]["loss"]);
}

TEST_F(RunTest, GeneratedAnswersBecomeThoseOfTheData) {
  parity::WriteTalkingModel(root() / "model");
  Write("train.jsonl", parity::TalkingRows());
  plan_["paths"]["baseModel"] = root() / "model";
  plan_["paths"]["validation"] = root() / "train.jsonl";
  plan_["configuration"] = {
      {"schedule", {{"maxSteps", 36}, {"batchSize", 4}, {"evalSteps", 4}}},
      {"method", {{"type", "full"}}},
      {"optimizer", {{"learningRate", 5e-3}, {"scheduler", {{"type", "constant"}}}}},
      {"evaluation", {{"metrics", {"tool_accuracy", "response_quality"}}}}};
  ASSERT_EQ(Run(), 0) << errors();
  const auto evaluations = EventsOf("evaluation");
  ASSERT_EQ(evaluations.size(), 9U);
  EXPECT_EQ(evaluations.front()["toolAccuracy"], 0);
  EXPECT_LT(evaluations.front()["responseQuality"], 0.5);
  EXPECT_EQ(evaluations.back()["toolAccuracy"], 1);
  EXPECT_EQ(evaluations.back()["responseQuality"], 1);
  EXPECT_EQ(evaluations.back()["generatedAnswers"], 4);
  EXPECT_THAT(EventsOf("warning"), testing::IsEmpty());
}

TEST_F(RunTest, SaysWhyAnswersAreNotMeasured) {
  plan_["paths"]["validation"] = root() / "train.jsonl";
  plan_["configuration"]["schedule"]["evalSteps"] = 4;
  plan_["configuration"]["evaluation"] = {{"metrics", {"tool_accuracy", "response_quality"}}};
  ASSERT_EQ(Run(), 0) << errors();
  const auto warnings = EventsOf("warning");
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_THAT(warnings[0]["message"].get<std::string>(),
              HasSubstr("tool_accuracy is not measured"));
  EXPECT_THAT(warnings[1]["message"].get<std::string>(), HasSubstr("no tokenizer"));
  ASSERT_EQ(EventsOf("evaluation").size(), 1U);
  EXPECT_FALSE(EventsOf("evaluation")[0].contains("responseQuality"));
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
  EXPECT_GT(evaluations.back()["tokenAccuracy"], evaluations.front()["tokenAccuracy"]);
  EXPECT_LE(evaluations.back()["tokenAccuracy"], 1);
}

TEST_F(RunTest, CountsRowsThatAreTooLong) {
  std::string ids = "5";
  for (int i = 0; i < 599; ++i) ids += ", 6";
  const std::string long_row = R"({"input_ids": [)" + ids + R"(], "labels": [)" + ids + "]}\n";
  Write("train.jsonl", long_row + R"({"input_ids": [5, 6, 7], "labels": [5, 6, 7]})" + "\n");
  plan_["configuration"]["schedule"] = {{"maxSteps", 1}, {"sequenceLength", 512}};
  plan_["configuration"]["datasets"] = {{"trainSplit", 1}, {"longRows", "drop"}};
  ASSERT_EQ(Run(), 0) << errors();
  const Json started = EventsOf("started").at(0);
  EXPECT_EQ(started["droppedRows"], 1);
  EXPECT_EQ(started["droppedTokens"], 600);
  EXPECT_EQ(started["cutRows"], 0);
  EXPECT_EQ(started["trainExamples"], 1);
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
  EXPECT_EQ(EventsOf("metric")[4]["skippedSteps"], 5);
  const auto warnings = EventsOf("warning");
  ASSERT_EQ(warnings.size(), 4U);
  EXPECT_THAT(warnings[0]["message"].get<std::string>(), HasSubstr("step 1 was skipped"));
  const std::string message = Events().back()["message"];
  EXPECT_THAT(message, HasSubstr("5 steps in a row"));
  EXPECT_THAT(message, HasSubstr("lower optimizer.learningRate"));
  EXPECT_FALSE(fs::exists(root() / "out/adapter"));
}

TEST_F(RunTest, EarlyStoppingEndsWithTheBestValuesAndRetentionKeepsThem) {
  Write("validation.jsonl", R"({"input_ids": [7, 8, 9, 10, 11], "labels": [7, 8, 9, 10, 11]})");
  plan_["paths"]["validation"] = root() / "validation.jsonl";
  plan_["configuration"]["schedule"] = {{"maxSteps", 200},     {"batchSize", 8},
                                        {"evalSteps", 3},      {"saveSteps", 2},
                                        {"saveTotalLimit", 2}, {"earlyStoppingPatience", 4}};
  plan_["configuration"]["optimizer"] = {{"learningRate", 3e-2}};
  ASSERT_EQ(Run(), 0) << errors();
  const auto evaluations = EventsOf("evaluation");
  const auto best = std::min_element(evaluations.begin(), evaluations.end(),
                                     [](auto& a, auto& b) { return a["loss"] < b["loss"]; });
  const Json last = Events().back();
  ASSERT_EQ(last["adapterStep"], (*best)["step"]);
  ASSERT_LT(last["adapterStep"], last["step"]);
  const auto weights = [&](const fs::path& folder) {
    return *ReadFile(root() / "out" / folder / "adapter_model.safetensors");
  };
  const auto step_folder = [](const Json& step) { return "checkpoints/step-" + step.dump(); };
  EXPECT_EQ(weights("adapter"), weights(step_folder(last["adapterStep"])));
  EXPECT_NE(weights("adapter"), weights(step_folder(last["step"])));
  const fs::directory_iterator kept(root() / "out/checkpoints");
  EXPECT_EQ(std::distance(begin(kept), end(kept)), 2);
}

TEST_F(RunTest, Fp16FindsItsLossScaleAndLearnsWhatFp32Learns) {
  plan_["configuration"]["schedule"]["maxSteps"] = 8;
  plan_["configuration"]["optimizer"] = {{"learningRate", 1e-2}};
  ASSERT_EQ(Run(), 0) << errors();
  const auto exact = EventsOf("metric");
  plan_["configuration"]["model"] = {{"precision", "fp16"}};
  plan_["paths"]["output"] = root() / "half";
  ASSERT_EQ(Run(), 0) << errors();
  const auto events = parity::ReadEvents(root() / "half/events.jsonl");
  std::size_t step = 0;
  for (const Json& event : events) {
    if (event["type"] != "metric") continue;
    EXPECT_NEAR(event["loss"].get<double>(), exact[step]["loss"].get<double>(), 0.02);
    EXPECT_NEAR(event["gradientNorm"].get<double>(), exact[step]["gradientNorm"].get<double>(),
                0.01 * exact[step]["gradientNorm"].get<double>());
    EXPECT_EQ(event["skippedSteps"], 0);
    ++step;
  }
  EXPECT_EQ(step, exact.size());
  const Json progress = parity::ReadJson(root() / "half/checkpoints/step-8/progress.json");
  EXPECT_EQ(progress["lossScale"], 65536);
  EXPECT_EQ(progress["lossScaleGoodSteps"], 8);
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
