// A disk that fills up ends a run with its own exit code and nothing half written; with room again
// the run goes on.

#include <gmock/gmock.h>
#include <sys/mount.h>

#include <cstring>
#include <set>

#include "tests/worker/trainer/commands/trainer_fixture.h"
#include "tests/worker/trainer/loop/talking_model.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using trainer_protocol::kExitDiskFull;

class DiskFull : public TrainerFixture {
 protected:
  void SetUp() override {
    TrainerFixture::SetUp();
    plan_["configuration"]["schedule"] = {
        {"maxSteps", 9}, {"batchSize", 2}, {"evaluations", 0}, {"saveSteps", 3}};
  }
  void TearDown() override {
    if (!mounted_) return;
    EXPECT_EQ(::umount2((root() / "out").c_str(), MNT_DETACH), 0);
  }
  /// Files below the output folder that no finished write leaves.
  std::vector<std::string> Leftovers() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(root() / "out")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with(".writing-") || name.find(".tmp-") != std::string::npos ||
          name.find(".json.") != std::string::npos) {
        found.push_back(entry.path().string());
      }
    }
    return found;
  }
  /// The log is whole, and each step is in it once.
  void ExpectEveryStepOnce(int steps) const {
    std::int64_t sequence = 0;
    std::set<int> seen;
    for (const Json& event : Events()) {
      EXPECT_EQ(event["seq"].get<std::int64_t>(), ++sequence);
      if (event["type"] != "metric") continue;
      EXPECT_TRUE(seen.insert(event["step"].get<int>()).second);
    }
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(steps));
  }
  /// So that no file grows beyond that many bytes, which counts as a full disk.
  int RunWithLimit(std::uintmax_t bytes) {
    return Run({"prlimit", "--fsize=" + std::to_string(bytes)});
  }
  /// What a run that has all the room comes to, set aside.
  void RunUndisturbed() {
    ASSERT_EQ(Run(), 0) << errors();
    whole_ = Story();
    fs::rename(root() / "out", root() / "whole");
  }
  /// Steps and evaluations, but for how fast they were.
  std::vector<Json> Story() const {
    std::vector<Json> story;
    for (Json event : Events()) {
      if (event["type"] != "metric" && event["type"] != "evaluation") continue;
      for (const char* key : {"seq", "time", "tokensPerSecond", "memoryBytes"}) event.erase(key);
      story.push_back(std::move(event));
    }
    return story;
  }
  void ExpectFull(const std::string& what) const {
    EXPECT_THAT(errors(), HasSubstr((root() / "out").string()));
    EXPECT_THAT(errors(), HasSubstr(what));
    EXPECT_TRUE(Leftovers().empty()) << Leftovers()[0];
    EXPECT_FALSE(fs::exists(root() / "out/adapter"));
    EXPECT_TRUE(ReadFile(root() / "out/events.jsonl")->ends_with("\n"));
  }
  /// With room again.
  void ExpectUndisturbedResult() {
    ASSERT_EQ(Run(), 0) << errors();
    EXPECT_EQ(Story(), whole_);
    const fs::path file = "adapter/adapter_model.safetensors";
    EXPECT_EQ(*ReadFile(root() / "out" / file), *ReadFile(root() / "whole" / file));
    EXPECT_TRUE(Leftovers().empty());
  }

  bool mounted_ = false;
  std::vector<Json> whole_;
};

TEST_F(DiskFull, TheRunStopsCleanlyAndGoesOnWithRoom) {
  fs::create_directories(root() / "out");
  if (::mount("tmpfs", (root() / "out").c_str(), "tmpfs", 0, "size=512k") != 0) {
    GTEST_SKIP() << "mounting a small file system is not permitted: " << std::strerror(errno);
  }
  mounted_ = true;
  EXPECT_EQ(Run(), kExitDiskFull) << errors();
  EXPECT_THAT(errors(), HasSubstr("No space left on device"));
  EXPECT_THAT(errors(), HasSubstr((root() / "out").string()));
  EXPECT_TRUE(Leftovers().empty()) << Leftovers()[0];
  EXPECT_FALSE(fs::exists(root() / "out/adapter"));
  EXPECT_EQ(::mount("tmpfs", (root() / "out").c_str(), "tmpfs", MS_REMOUNT, "size=16m"), 0);
  EXPECT_EQ(Run(), 0) << errors();
  ExpectEveryStepOnce(9);
  EXPECT_TRUE(Leftovers().empty());
  EXPECT_TRUE(fs::exists(root() / "out/adapter/adapter_model.safetensors"));
}

TEST_F(DiskFull, ALimitOnTheSizeOfFilesCountsAsAFullDisk) {
  // The adapter has some 100 KB, the optimizer's moments twice that.
  EXPECT_EQ(Run({"/bin/sh", "-c", "ulimit -f 64; exec \"$@\"", "sh"}), kExitDiskFull) << errors();
  EXPECT_THAT(errors(), HasSubstr("File too large"));
  EXPECT_TRUE(Leftovers().empty()) << Leftovers()[0];
  EXPECT_EQ(Events().back()["type"], "failed");
  EXPECT_EQ(Run(), 0) << errors();
  ExpectEveryStepOnce(9);
}

TEST_F(DiskFull, WhenOnlyHalfOfACheckpointFits) {
  plan_["configuration"]["schedule"].update({{"maxSteps", 4}, {"saveSteps", 2}});
  RunUndisturbed();
  const fs::path checkpoint = root() / "whole/checkpoints/step-2";
  const auto values = fs::file_size(checkpoint / "adapter_model.safetensors");
  ASSERT_LT(values, fs::file_size(checkpoint / "optimizer.safetensors"));
  EXPECT_EQ(RunWithLimit(values), kExitDiskFull) << errors();
  ExpectFull("optimizer.safetensors");
  EXPECT_TRUE(fs::is_empty(root() / "out/checkpoints"));
  EXPECT_EQ(Events().back()["type"], "failed");
  ExpectUndisturbedResult();
}

TEST_F(DiskFull, WhenTheAdapterDoesNotFit) {
  plan_["configuration"]["schedule"].update({{"maxSteps", 4}, {"saveSteps", 2}});
  RunUndisturbed();
  plan_["configuration"]["schedule"]["saveSteps"] = 100;
  EXPECT_EQ(RunWithLimit(fs::file_size(root() / "whole/adapter/adapter_model.safetensors") - 1),
            kExitDiskFull)
      << errors();
  ExpectFull("adapter_model.safetensors");
  EXPECT_EQ(Events().back()["type"], "failed");
  ExpectUndisturbedResult();
}

TEST_F(DiskFull, WhenAnEvaluationHasGeneratedItsAnswers) {
  parity::WriteTalkingModel(root() / "model");
  Write("train.jsonl", parity::TalkingRows());
  plan_["paths"]["baseModel"] = root() / "model";
  plan_["paths"]["validation"] = root() / "train.jsonl";
  plan_["configuration"] = {
      {"schedule", {{"maxSteps", 3}, {"batchSize", 4}, {"saveSteps", 1}, {"evalSteps", 2}}},
      {"evaluation", {{"metrics", {"tool_accuracy", "response_quality"}}}}};
  // A log that is longer than any other file, so that a limit meets it alone.
  const auto begin = [&] {
    fs::create_directories(root() / "out");
    Write("out/events.jsonl", Json{{"seq", 1},
                                   {"time", "2026-01-01T00:00:00Z"},
                                   {"type", "warning"},
                                   {"message", std::string(1 << 20, 'x')}}
                                      .dump() +
                                  "\n");
  };
  begin();
  RunUndisturbed();
  const std::string log = *ReadFile(root() / "whole/events.jsonl");
  const std::size_t evaluation = log.rfind('\n', log.find(R"("type":"evaluation")"));
  ASSERT_NE(evaluation, std::string::npos);
  begin();
  EXPECT_EQ(RunWithLimit(evaluation + 60), kExitDiskFull) << errors();
  ExpectFull("events.jsonl");
  EXPECT_EQ(Events().back()["phase"], "evaluating");
  EXPECT_TRUE(fs::exists(root() / "out/checkpoints/step-1"));
  ExpectUndisturbedResult();
  std::vector<Json> done;
  for (const Json& event : Events()) {
    if (event["type"] == "started") done.push_back(event["stepsDone"]);
  }
  EXPECT_THAT(done, testing::ElementsAre(0, 1));
  EXPECT_EQ(whole_[2]["generatedAnswers"], 4);
}

}  // namespace
}  // namespace lathe::trainer::commands
