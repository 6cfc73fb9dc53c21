// A run that is killed or stopped at any point and started again gives the adapter, bit for bit,
// and the metric lines of a run that was not.

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <thread>

#include "common/base/check.h"
#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "tests/parity/support.h"
#include "tests/worker/trainer/loop/talking_model.h"

namespace lathe::parity {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr int kSteps = 120;

/// A training file of rows of different lengths, all tokens targets.
void WriteTrainingFile(const fs::path& path, int rows = 40) {
  std::ofstream out(path);
  for (int row = 0; row < rows; ++row) {
    Json ids = Json::array();
    for (int i = 0; i < 24 + row % 40; ++i) ids.push_back((row * 31 + i * i * 7) % 500);
    out << Json{{"input_ids", ids}, {"labels", ids}}.dump() << "\n";
  }
}

Json Configuration() {
  return {{"model", {{"precision", "fp32"}}},
          {"datasets", {{"format", "tokenized"}}},
          {"method", {{"loraConfig", {{"dropout", 0.1}}}}},
          {"schedule",
           {{"maxSteps", kSteps},
            {"batchSize", 3},
            {"gradientAccumulation", 2},
            {"saveSteps", 7},
            {"saveTotalLimit", 3},
            {"evalSteps", 40}}},
          {"optimizer", {{"learningRate", 5e-3}}}};
}

/// Pairs of answers of different lengths.
void WritePreferenceFile(const fs::path& path) {
  std::ofstream out(path);
  for (int row = 0; row < 24; ++row) {
    Json prompt = Json::array();
    Json chosen = Json::array();
    Json rejected = Json::array();
    for (int i = 0; i < 5 + row; ++i) prompt.push_back((row * 31 + i * 7) % 500);
    for (int i = 0; i < 3 + row % 7; ++i) chosen.push_back((row * 17 + i * 3) % 250);
    for (int i = 0; i < 2 + row % 5; ++i) rejected.push_back(250 + (row * 13 + i * 5) % 250);
    out << Json{{"prompt_ids", prompt}, {"chosen_ids", chosen}, {"rejected_ids", rejected}}.dump()
        << "\n";
  }
}

class Resume : public ::testing::Test {
 protected:
  /// The undisturbed run, which most cases compare with, is done once.
  static void SetUpTestSuite() {
    undisturbed_ = WithData();
    ASSERT_EQ(RunTrainer({"run", WriteTinyPlan(undisturbed(), "whole", Configuration())}).code, 0);
  }
  static void TearDownTestSuite() { undisturbed_.reset(); }

  void SetUp() override { folder_ = WithData(); }

  const fs::path& root() const { return folder_->path(); }
  static const fs::path& undisturbed() { return undisturbed_->path(); }

  std::string WritePlan(const std::string& output, const Json& configuration) {
    return WriteTinyPlan(root(), output, configuration);
  }

  /// Starts the plan and sends it a signal once `step` is in its log.
  ExitStatus RunUntil(const std::string& plan, const std::string& output, int step, int number) {
    auto child = StartTrainer({"run", plan});
    for (;;) {
      if (const auto status = child.Poll()) return *status;
      if (LoggedSteps(output) >= step) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    child.Signal(number);
    return child.Wait();
  }

  int LoggedSteps(const std::string& output) const {
    const auto text = ReadFile(root() / output / "events.jsonl");
    if (!text) return 0;
    int count = 0;
    for (std::size_t at = text->find("\"metric\""); at != std::string::npos;
         at = text->find("\"metric\"", at + 1)) {
      ++count;
    }
    return count;
  }

  /// What of the log must not depend on interruptions.
  static std::vector<Json> Story(const fs::path& output) {
    std::vector<Json> story;
    std::int64_t sequence = 0;
    for (Json event : ReadEvents(output / "events.jsonl")) {
      EXPECT_EQ(event["seq"].get<std::int64_t>(), ++sequence);
      if (event["type"] != "metric" && event["type"] != "evaluation") continue;
      for (const char* key : {"seq", "time", "tokensPerSecond", "memoryBytes"}) event.erase(key);
      story.push_back(std::move(event));
    }
    return story;
  }

  static void ExpectAlike(const fs::path& output, const fs::path& other) {
    const fs::path file = "adapter/adapter_model.safetensors";
    EXPECT_EQ(*ReadFile(output / file), *ReadFile(other / file));
    EXPECT_EQ(Story(output), Story(other));
  }
  void ExpectLikeUndisturbed(const std::string& output) const {
    ExpectAlike(root() / output, undisturbed() / "whole");
  }

  std::set<std::string> Checkpoints(const std::string& output) const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(root() / output / "checkpoints")) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

 private:
  static std::unique_ptr<TempDir> WithData() {
    auto folder = TempDir::Create();
    LATHE_CHECK(folder.has_value(), "a temporary folder can be made");
    WriteTrainingFile(folder->path() / "train.jsonl");
    std::ofstream(folder->path() / "validation.jsonl")
        << R"({"input_ids": [1, 2, 3, 4], "labels": [1, 2, 3, 4]})"
        << "\n";
    return std::make_unique<TempDir>(std::move(*folder));
  }

  inline static std::unique_ptr<TempDir> undisturbed_;
  std::unique_ptr<TempDir> folder_;
};

TEST_F(Resume, TermMakesACheckpointAndTheRestIsTheSame) {
  const std::string plan = WritePlan("stopped", Configuration());
  int interruptions = 0;
  for (const int step : {1, 5, 39, 40, 80}) {
    const ExitStatus status = RunUntil(plan, "stopped", step, SIGTERM);
    if (status.code == 75) ++interruptions;
  }
  EXPECT_GE(interruptions, 2);
  ASSERT_EQ(RunTrainer({"run", plan}).code, 0);
  ExpectLikeUndisturbed("stopped");
}

TEST_F(Resume, KilledRunsGoOnFromTheLastCheckpoint) {
  const std::string plan = WritePlan("killed", Configuration());
  int kills = 0;
  for (const int step : {3, 18, 45, 60, 90}) {
    if (RunUntil(plan, "killed", step, SIGKILL).signal == SIGKILL) ++kills;
  }
  EXPECT_GE(kills, 2);
  // A kill in the middle of a line: the torn end is cut off.
  std::ofstream(root() / "killed/events.jsonl", std::ios::app) << R"({"seq": 9)";
  ASSERT_EQ(RunTrainer({"run", plan}).code, 0);
  ExpectLikeUndisturbed("killed");
}

/// All at once of what a step may carry along.
Json Everything() {
  return {{"model", {{"precision", "fp16"}}},
          {"datasets", {{"format", "tokenized"}}},
          {"method", {{"loraConfig", {{"dropout", 0.1}, {"rank", 64}}}}},
          {"schedule",
           {{"maxSteps", 20},
            {"batchSize", 1},
            {"sequenceLength", 512},
            {"gradientAccumulation", 2},
            {"saveSteps", 4},
            {"saveTotalLimit", 2},
            {"evalSteps", 3},
            {"earlyStoppingPatience", 9},
            {"earlyStoppingThreshold", 0.001}}},
          {"optimizer", {{"name", "paged_adamw_8bit"}, {"learningRate", 2e-2}}},
          {"optimizations", {{"enabled", {"sequence_packing", "gradient_checkpointing"}}}}};
}

TEST_F(Resume, WithPackingFp16EightBitMomentsAndEarlyStoppingToo) {
  WriteTrainingFile(root() / "train.jsonl", 90);  // About four steps an epoch.
  ASSERT_EQ(RunTrainer({"run", WritePlan("at_once", Everything())}).code, 0);
  const std::string plan = WritePlan("in_parts", Everything());
  int cuts = 0;
  const std::pair<int, int> signals[] = {{2, SIGKILL}, {9, SIGTERM}, {14, SIGKILL}};
  for (const auto& [step, number] : signals) {
    const ExitStatus status = RunUntil(plan, "in_parts", step, number);
    cuts += status.signal == SIGKILL || status.code == 75 ? 1 : 0;
  }
  EXPECT_GE(cuts, 2);
  ASSERT_EQ(RunTrainer({"run", plan}).code, 0);
  ExpectAlike(root() / "in_parts", root() / "at_once");
  // The record of the best, too, and which checkpoints are left.
  const auto last = [&](const std::string& output) {
    return ReadEvents(root() / output / "events.jsonl").back();
  };
  EXPECT_EQ(last("in_parts")["adapterStep"], last("at_once")["adapterStep"]);
  EXPECT_LT(last("at_once")["adapterStep"], last("at_once")["step"]);
  EXPECT_EQ(Checkpoints("in_parts"), Checkpoints("at_once"));
}

TEST_F(Resume, PreferenceTrainingGoesOnBitForBit) {
  WritePreferenceFile(root() / "train.jsonl");
  Json configuration = Configuration();
  configuration["datasets"] = {{"trainSplit", 0.8}};
  configuration["objective"] = {{"type", "dpo"}};
  configuration["schedule"]["maxSteps"] = 40;
  configuration["schedule"]["evalSteps"] = 10;
  const auto plan = [&](const std::string& output) {
    const std::string path = WritePlan(output, configuration);
    Json json = ReadJson(path);
    json["paths"].erase("validation");
    std::ofstream(path) << json.dump();
    return path;
  };
  ASSERT_EQ(RunTrainer({"run", plan("whole")}).code, 0);
  const std::string killed = plan("killed");
  ASSERT_EQ(RunUntil(killed, "killed", 9, SIGKILL).signal, SIGKILL);
  ASSERT_EQ(RunUntil(killed, "killed", 20, SIGTERM).code, 75);
  // A reference that was lost is measured again, to the same bits.
  fs::remove(root() / "killed/reference.safetensors");
  ASSERT_EQ(RunTrainer({"run", killed}).code, 0);
  ExpectAlike(root() / "killed", root() / "whole");
  EXPECT_EQ(*ReadFile(root() / "killed/reference.safetensors"),
            *ReadFile(root() / "whole/reference.safetensors"));
  Json last;
  for (const Json& event : Story(root() / "whole")) {
    EXPECT_TRUE(event.contains("rewardMargin"));
    if (event["type"] == "metric") last = event;
  }
  EXPECT_GT(last["rewardMargin"].get<double>(), 1);
  EXPECT_EQ(last["rewardAccuracy"], 1.0);
}

TEST_F(Resume, GeneratingAnswersChangesNothingAndIsTakenUpAgain) {
  WriteTalkingModel(root() / "model");
  std::ofstream(root() / "train.jsonl") << TalkingRows();
  Json configuration = Configuration();
  configuration["datasets"] = {{"trainSplit", 1}};
  configuration["schedule"]["maxSteps"] = 30;
  configuration["schedule"]["evalSteps"] = 6;
  const auto plan = [&](const std::string& output, const Json& metrics) {
    configuration["evaluation"]["metrics"] = metrics;
    const std::string path = WritePlan(output, configuration);
    Json json = ReadJson(path);
    json["paths"]["baseModel"] = root() / "model";
    json["paths"]["validation"] = root() / "train.jsonl";
    std::ofstream(path) << json.dump();
    return path;
  };
  const Json measured = {"tool_accuracy", "response_quality"};
  ASSERT_EQ(RunTrainer({"run", plan("whole", measured)}).code, 0);
  ASSERT_EQ(RunTrainer({"run", plan("unmeasured", Json::array())}).code, 0);
  EXPECT_EQ(*ReadFile(root() / "whole/adapter/adapter_model.safetensors"),
            *ReadFile(root() / "unmeasured/adapter/adapter_model.safetensors"));
  // The log says that a step is done before its evaluation begins: both signals come during one.
  const std::string cut = plan("cut", measured);
  EXPECT_EQ(RunUntil(cut, "cut", 12, SIGTERM).code, 75);
  EXPECT_EQ(RunUntil(cut, "cut", 18, SIGKILL).signal, SIGKILL);
  ASSERT_EQ(RunTrainer({"run", cut}).code, 0);
  ExpectAlike(root() / "cut", root() / "whole");
  EXPECT_TRUE(Story(root() / "cut").back().contains("responseQuality"));
}

TEST_F(Resume, ADamagedCheckpointIsPassedOver) {
  const std::string plan = WritePlan("damaged", Configuration());
  ASSERT_EQ(RunUntil(plan, "damaged", 40, SIGTERM).code, 75);
  fs::path newest;
  int newest_step = 0;
  for (const auto& entry : fs::directory_iterator(root() / "damaged/checkpoints")) {
    const int step = std::stoi(entry.path().filename().string().substr(5));
    if (step > newest_step) newest = entry.path();
    newest_step = std::max(step, newest_step);
  }
  const fs::path file = newest / "optimizer.safetensors";
  std::string bytes = *ReadFile(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(file, std::ios::binary) << bytes;
  ASSERT_EQ(RunTrainer({"run", plan}).code, 0);
  ExpectLikeUndisturbed("damaged");
  bool warned = false;
  for (const Json& event : ReadEvents(root() / "damaged/events.jsonl")) {
    if (event["type"] != "warning") continue;
    warned = event["message"].get<std::string>().find("damaged") != std::string::npos;
  }
  EXPECT_TRUE(warned);
}

TEST_F(Resume, AFinishedJobIsNotRedone) {
  const fs::path log = undisturbed() / "whole/events.jsonl";
  const std::string before = *ReadFile(log);
  const fs::path plan = WriteTinyPlan(undisturbed(), "whole", Configuration());
  EXPECT_EQ(RunTrainer({"run", plan}).code, 0);
  EXPECT_EQ(*ReadFile(log), before);
}

TEST_F(Resume, OtherSettingsAreRefused) {
  Json configuration = Configuration();
  configuration["optimizer"]["learningRate"] = 4e-3;
  const fs::path plan = WriteTinyPlan(undisturbed(), "whole", configuration);
  EXPECT_EQ(RunTrainer({"run", plan}).code, 6);
}

TEST_F(Resume, GradientCheckpointingGivesTheSameBits) {
  Json configuration = Configuration();
  configuration["optimizations"] = {{"enabled", {"gradient_checkpointing"}}};
  ASSERT_EQ(RunTrainer({"run", WritePlan("recomputed", configuration)}).code, 0);
  ExpectLikeUndisturbed("recomputed");
}

TEST_F(Resume, UserSignalMakesACheckpointNow) {
  Json configuration = Configuration();
  configuration["schedule"].erase("saveSteps");
  configuration["schedule"]["checkpoints"] = 0;
  const std::string plan = WritePlan("asked", configuration);
  RunUntil(plan, "asked", 10, SIGUSR1);
  EXPECT_FALSE(fs::is_empty(root() / "asked/checkpoints"));
  ExpectLikeUndisturbed("asked");
}

TEST_F(Resume, ASecondTrainerOnTheSameFolderIsRefused) {
  const std::string plan = WritePlan("locked", Configuration());
  auto first = StartTrainer({"run", plan});
  while (LoggedSteps("locked") < 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(RunTrainer({"run", plan}).code, 1);
  EXPECT_EQ(first.Wait().code, 0);
  ExpectLikeUndisturbed("locked");
}

}  // namespace
}  // namespace lathe::parity
