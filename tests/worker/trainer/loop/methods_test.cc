// Every method through the real program: a run that is killed again and again gives the bits of one
// that was not, in fp32 and bf16, and what it saved loads.

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <fstream>
#include <thread>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "tests/parity/support.h"

namespace lathe::parity {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;

struct Case {
  const char* name;
  Json method;
  const char* precision;
  const char* weights;  ///< the file in the adapter's folder
};

class Methods : public ::testing::TestWithParam<Case> {
 protected:
  Methods() {
    std::ofstream out(root() / "train.jsonl");
    for (int row = 0; row < 12; ++row) {
      Json ids = Json::array();
      for (int i = 0; i < 10 + row; ++i) ids.push_back((row * 31 + i * i * 7) % 500);
      out << Json{{"input_ids", ids}, {"labels", ids}}.dump() << "\n";
    }
  }

  const fs::path& root() const { return folder_.path(); }

  std::string WritePlan(const std::string& output) const {
    const Json configuration = {{"model", {{"precision", GetParam().precision}}},
                                {"datasets", {{"format", "tokenized"}, {"trainSplit", 1}}},
                                {"method", GetParam().method},
                                {"schedule",
                                 {{"maxSteps", 30},
                                  {"batchSize", 2},
                                  {"gradientAccumulation", 2},
                                  {"saveSteps", 4},
                                  {"saveTotalLimit", 2},
                                  {"evaluations", 0}}},
                                {"optimizer", {{"learningRate", 2e-3}}}};
    return WriteTinyPlan(root(), output, configuration);
  }

  std::vector<double> Losses(const std::string& output) const {
    return ReadLosses(root() / output / "events.jsonl");
  }

  /// Starts the plan and kills it once so many steps are in its log.
  bool KillAfter(const std::string& plan, const fs::path& log, std::size_t step) const {
    auto child = StartTrainer({"run", plan});
    for (;;) {
      if (child.Poll()) return false;
      const auto text = ReadFile(log);
      if (text && Count(*text, "\"metric\"") >= step) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    child.Signal(SIGKILL);
    return child.Wait().signal == SIGKILL;
  }

  std::vector<double> Logits(const std::vector<std::string>& more) const {
    const fs::path out = root() / "logits.safetensors";
    std::vector<std::string> arguments = {"logits", Golden("models/llama_tiny"),
                                          Golden("models/llama_tiny") / "logits.safetensors", out};
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(RunTrainer(arguments).code, 0);
    return Values(Open(out), "logits");
  }

 private:
  static std::size_t Count(const std::string& text, const std::string& what) {
    std::size_t count = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) {
      ++count;
    }
    return count;
  }

  TempDir folder_ = TempDir::Create().value();
};

TEST_P(Methods, KilledRunsGiveTheSameBitsAndWhatIsSavedLoads) {
  ASSERT_EQ(RunTrainer({"run", WritePlan("whole")}).code, 0);
  const std::string plan = WritePlan("killed");
  int kills = 0;
  for (const std::size_t step : {5, 14, 23}) {
    kills += KillAfter(plan, root() / "killed/events.jsonl", step) ? 1 : 0;
  }
  EXPECT_GE(kills, 1);
  ASSERT_EQ(RunTrainer({"run", plan}).code, 0);
  EXPECT_EQ(Losses("killed"), Losses("whole"));
  EXPECT_LT(Losses("whole").back(), Losses("whole").front());
  const std::string weights = std::string("adapter/") + GetParam().weights;
  EXPECT_EQ(*ReadFile(root() / "killed" / weights), *ReadFile(root() / "whole" / weights));
  const std::string adapter = root() / "whole/adapter";
  EXPECT_NE(Logits({"--adapter", adapter}), Logits({}));
}

INSTANTIATE_TEST_SUITE_P(
    All, Methods,
    ::testing::Values(
        Case{"full", {{"type", "full"}}, "fp32", "model.safetensors"},
        Case{"full_bf16", {{"type", "full"}}, "bf16", "model.safetensors"},
        Case{"prefix",
             {{"type", "prefix"}, {"prefixLength", 4}},
             "fp32",
             "adapter_model.safetensors"},
        Case{"prefix_projected",
             {{"type", "prefix"}, {"prefixLength", 4}, {"prefixProjection", true}},
             "bf16",
             "adapter_model.safetensors"},
        Case{"adapter", {{"type", "adapter"}, {"adapterSize", 8}}, "bf16", "adapter.safetensors"},
        Case{"adapter_houlsby",
             {{"type", "adapter"}, {"adapterSize", 8}, {"adapterVariant", "houlsby"}},
             "fp32",
             "adapter.safetensors"}),
    [](const auto& instance) { return std::string(instance.param.name); });

}  // namespace
}  // namespace lathe::parity
