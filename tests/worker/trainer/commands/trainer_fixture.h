#pragma once
// Plans on the tiny reference model, run by the real program.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "common/base/unique_fd.h"
#include "tests/parity/support.h"

namespace lathe::trainer::commands {

using Json = nlohmann::json;

class TrainerFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    Write("train.jsonl", Rows(8));
    plan_ = {{"planVersion", 1},
             {"jobId", "j"},
             {"attempt", 1},
             {"device", "cpu"},
             {"configuration",
              {{"datasets", {{"format", "tokenized"}, {"trainSplit", 1}}},
               {"schedule", {{"maxSteps", 4}, {"batchSize", 2}, {"evaluations", 0}}}}},
             {"paths",
              {{"baseModel", parity::Golden("models/llama_tiny")},
               {"train", root() / "train.jsonl"},
               {"output", root() / "out"}}}};
  }

  const std::filesystem::path& root() const { return dir_.path(); }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(root() / name, std::ios::binary) << text;
  }
  static std::string Rows(int count) {
    std::string text;
    for (int row = 0; row < count; ++row) {
      Json ids = Json::array();
      for (int i = 0; i < 12; ++i) ids.push_back((row * 31 + i * 7) % 500);
      text += Json{{"input_ids", ids}, {"labels", ids}}.dump() + "\n";
    }
    return text;
  }

  /// Runs `program arguments... lathe-trainer run plan_`; its standard error is in errors().
  int Run(std::vector<std::string> before = {}) {
    Write("plan.json", plan_.dump());
    return RunWith(std::move(before), {"run", (root() / "plan.json").string()});
  }
  int RunWith(std::vector<std::string> before, const std::vector<std::string>& arguments) {
    const UniqueFd fd(::open((root() / "stderr").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
    before.push_back(std::filesystem::path(std::getenv("LATHE_BINARY_DIR")) / "lathe-trainer");
    before.insert(before.end(), arguments.begin(), arguments.end());
    auto child = ChildProcess::Start({.program = before.front(),
                                      .arguments = {before.begin() + 1, before.end()},
                                      .environment = {{"OMP_WAIT_POLICY", "passive"}},
                                      .working_directory = {},
                                      .standard_error = fd.get()});
    EXPECT_TRUE(child);
    const ExitStatus status = child->Wait();
    EXPECT_TRUE(status.code.has_value()) << ToString(status);
    return status.code.value_or(-1);
  }
  std::string errors() const { return *ReadFile(root() / "stderr"); }
  std::vector<Json> Events() const { return parity::ReadEvents(root() / "out/events.jsonl"); }

  Json plan_;

 private:
  TempDir dir_ = TempDir::Create().value();
};

}  // namespace lathe::trainer::commands
