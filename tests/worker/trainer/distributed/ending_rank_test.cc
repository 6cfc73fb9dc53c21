// A process that is killed, or hangs, while gradients are summed during the backward pass: the
// others leave with a fault, within the time that they wait for each other, and the job goes on
// from its checkpoint to the bits of a run that was not disturbed.

#include "tests/worker/trainer/distributed/several_processes.h"
#include "worker/trainer/formats/safetensors.h"

namespace lathe::parity {
namespace {

using trainer::formats::Safetensors;
using trainer::formats::TensorInfo;

/// One of each layer: their gradients are large enough for sums of their own.
constexpr int kSums = 3;
/// Sums before the fourth step, which comes after the checkpoint of the second.
constexpr int kSumsBefore = 3 * kSums;

/// Where a process ends: before it begins one of the fourth step's sums.
struct End {
  int rank = 0;
  int sum = 0;
  int signal = SIGKILL;
  std::string timeout = "120";
};

class EndingRank : public SeveralProcesses {
 protected:
  void SetUp() override {
    SeveralProcesses::SetUp();
    WriteWideModel(root() / "wide");
    base_model_ = root() / "wide";
    init_adapter_ = nullptr;
    configuration_ = Configuration(4, 3);
    configuration_["method"]["loraConfig"] = {{"rank", 256}, {"alpha", 256}, {"dropout", 0.1}};
    configuration_["schedule"] = {{"maxSteps", 4},
                                  {"batchSize", 4},
                                  {"gradientAccumulation", 3},
                                  {"saveSteps", 2},
                                  {"evaluations", 0}};
  }

  /// The tiny model with a third layer, like its second, and wider ones.
  static void WriteWideModel(const fs::path& folder) {
    constexpr int kWidth = 1408;
    const fs::path tiny = Golden("models/llama_tiny");
    Json config = ReadJson(tiny / "config.json");
    config.update({{"num_hidden_layers", 3}, {"intermediate_size", kWidth}});
    fs::create_directories(folder);
    std::ofstream(folder / "config.json") << config.dump();
    const Safetensors file = Open(tiny / "model.safetensors");
    std::vector<float> values(kWidth * 64);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = 0.05F * std::sin(static_cast<float>(i * i % 9973));
    }
    std::vector<TensorInfo> tensors;
    for (TensorInfo tensor : file.tensors()) {
      if (tensor.name.find(".mlp.") != std::string::npos) {
        for (std::int64_t& size : tensor.shape) size = size == 64 ? 64 : kWidth;
        tensor.data = std::as_bytes(std::span(values));
      }
      tensors.push_back(tensor);
      const std::size_t layer = tensor.name.find("layers.1.");
      if (layer == std::string::npos) continue;
      tensor.name.replace(layer, 9, "layers.2.");
      tensors.push_back(tensor);
    }
    const Status written =
        trainer::formats::WriteSafetensors(folder / "model.safetensors", tensors, {});
    ASSERT_TRUE(written) << written.error().message;
  }

  /// What a log tells of the steps, but for how fast they were.
  std::vector<Json> Steps(const std::string& output) const {
    std::vector<Json> steps = Events(output, "metric");
    for (Json& step : steps) {
      for (const char* key : {"seq", "time", "tokensPerSecond", "memoryBytes"}) step.erase(key);
    }
    return steps;
  }

  /// Runs the job to its end, with that in between.
  void RunWith(const End& end, const std::string& output) const {
    SCOPED_TRACE(output);
    const std::string plan = WritePlan(output, configuration_);
    const std::string when = std::to_string(end.rank) + " " +
                             std::to_string(kSumsBefore + end.sum) + " " +
                             std::to_string(end.signal);
    auto children = Start(plan, 2,
                          {.program = ENDING_TRAINER,
                           .timeout = end.timeout,
                           .environment = {{"LATHE_TEST_END", when}}});
    ChildProcess& ended = children[static_cast<std::size_t>(end.rank)];
    ChildProcess& other = children[static_cast<std::size_t>(1 - end.rank)];
    const auto status = other.WaitFor(60s);
    ended.Signal(SIGKILL);  // One that hangs is still there.
    EXPECT_EQ(ended.Wait().signal, SIGKILL);
    ASSERT_TRUE(status.has_value()) << "the other one hangs";
    EXPECT_EQ(status->code, 1);
    EXPECT_EQ(Events(output, "metric").size(), 3U) << "it ended in another step";
    ExpectFailure(output, end.rank == 0 ? 0 : 1);

    Train(output, configuration_, 2);
    EXPECT_EQ(Events(output, "started").back()["stepsDone"], 2);
    EXPECT_EQ(Adapter(output), Adapter("whole"));
    EXPECT_EQ(Steps(output), Steps("whole"));
  }

  /// What rank 0 leaves, if it lives.
  void ExpectFailure(const std::string& output, std::size_t count) const {
    const auto failed = Events(output, "failed");
    ASSERT_EQ(failed.size(), count);
    for (const Json& event : failed) {
      EXPECT_NE(event["message"].get<std::string>().find("has lost the others"), std::string::npos);
    }
  }

  Json configuration_;
};

TEST_F(EndingRank, TheOthersLeaveInTimeAndTheJobGoesOnToTheSameBits) {
  Train("whole", configuration_, 2);
  RunWith({.rank = 1, .sum = 0}, "killed");
  RunWith({.rank = 0, .sum = 1}, "first_killed");
  RunWith({.rank = 1, .sum = 2, .signal = SIGSTOP, .timeout = "3"}, "hanging");
}

}  // namespace
}  // namespace lathe::parity
