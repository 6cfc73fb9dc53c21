#pragma once
// Runs the real trainer as several processes of one job, and compares what came of it.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "common/base/child_process.h"
#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "common/base/unique_fd.h"
#include "tests/parity/support.h"

namespace lathe::parity {

using Json = nlohmann::json;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A port that was free a moment ago.
inline std::string FreePort() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(fd.get(), generic, size), 0);
  EXPECT_EQ(::getsockname(fd.get(), generic, &size), 0);
  return std::to_string(ntohs(address.sin_port));
}

/// How the processes of a job are started.
struct Launch {
  fs::path program = fs::path(std::getenv("LATHE_BINARY_DIR")) / "lathe-trainer";
  std::string timeout = "120";
  std::map<std::string, std::string> environment;  ///< of all, beside what says who each is
};

class SeveralProcesses : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream out(root() / "train.jsonl");
    for (int row = 0; row < 48; ++row) {
      Json ids = Json::array();
      for (int i = 0; i < 9 + row % 13; ++i) ids.push_back((row * 31 + i * i * 7) % 500);
      Json labels = ids;
      for (int i = 0; i < row % 5; ++i) labels[static_cast<std::size_t>(i)] = -100;
      out << Json{{"input_ids", ids}, {"labels", labels}}.dump() << "\n";
    }
  }

  const fs::path& root() const { return dir_.path(); }

  static Json Configuration(int batch_size, int accumulation) {
    return {{"datasets", {{"format", "tokenized"}, {"trainSplit", 0.8}}},
            {"method", {{"loraConfig", {{"rank", 8}, {"alpha", 32}, {"dropout", 0.0}}}}},
            {"schedule",
             {{"maxSteps", 6},
              {"batchSize", batch_size},
              {"gradientAccumulation", accumulation},
              {"checkpoints", 0},
              {"evalSteps", 3}}},
            {"optimizer", {{"learningRate", 1e-3}}}};
  }

  std::string WritePlan(const std::string& output, const Json& configuration) const {
    const fs::path path = root() / (output + ".json");
    const Json paths = {{"baseModel", base_model_},
                        {"train", root() / "train.jsonl"},
                        {"output", root() / output},
                        {"initAdapter", init_adapter_}};
    std::ofstream(path) << Json{{"planVersion", 1},
                                {"jobId", "parallel"},
                                {"attempt", 1},
                                {"device", "cpu"},
                                {"paths", paths},
                                {"configuration", configuration},
                                {"distributed", {{"baseWeights", base_weights_}}}}
                               .dump();
    return path;
  }

  fs::path base_model_ = Golden("models/llama_tiny");
  Json init_adapter_ = Golden("runs/llama_lora_all_nonzeroB_clip/initial_adapter");
  std::string base_weights_ = "auto";

  static std::vector<ChildProcess> Start(const std::string& plan, int ranks,
                                         const Launch& launch = {}) {
    auto environment = launch.environment;
    environment.insert({{"OMP_NUM_THREADS", "1"},
                        {"WORLD_SIZE", std::to_string(ranks)},
                        {"MASTER_ADDR", "127.0.0.1"},
                        {"MASTER_PORT", FreePort()},
                        {"LATHE_DISTRIBUTED_TIMEOUT", launch.timeout}});
    std::vector<ChildProcess> children;
    for (int rank = 0; rank < ranks; ++rank) {
      environment["RANK"] = std::to_string(rank);
      auto child = ChildProcess::Start({.program = launch.program,
                                        .arguments = {"run", plan},
                                        .environment = environment,
                                        .working_directory = {},
                                        .standard_error = 2});
      EXPECT_TRUE(child.has_value());
      children.push_back(*child);
    }
    return children;
  }

  static std::vector<int> Codes(std::vector<ChildProcess>& children) {
    std::vector<int> codes;
    for (ChildProcess& child : children) codes.push_back(child.Wait().code.value_or(-1));
    return codes;
  }

  /// Runs a configuration to its end in OUTPUT.
  void Train(const std::string& output, const Json& configuration, int ranks) const {
    auto children = Start(WritePlan(output, configuration), ranks);
    ASSERT_EQ(Codes(children), std::vector<int>(static_cast<std::size_t>(ranks), 0)) << output;
  }

  std::vector<Json> Events(const std::string& output, const std::string& type) const {
    std::vector<Json> found;
    if (!fs::exists(root() / output / "events.jsonl")) return found;
    const auto text = ReadFile(root() / output / "events.jsonl");
    std::istringstream stream(text->substr(0, text->rfind('\n') + 1));
    for (std::string line; std::getline(stream, line);) {
      Json event = Json::parse(line);
      if (event["type"] == type) found.push_back(std::move(event));
    }
    return found;
  }

  void WaitForSteps(const std::string& output, std::size_t steps) const {
    const auto end = std::chrono::steady_clock::now() + 120s;
    while (Events(output, "metric").size() < steps && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(5ms);
    }
  }

  std::string Adapter(const std::string& output) const {
    return *ReadFile(root() / output / "adapter/adapter_model.safetensors");
  }

  /// Losses, measures, gradient norms and adapters to 1e-5; tokens exactly.
  void ExpectLike(const std::string& want, const std::string& got) const {
    SCOPED_TRACE(got);
    if (HasFatalFailure()) return;
    for (const char* type : {"metric", "evaluation"}) {
      const auto expected = Events(want, type);
      const auto actual = Events(got, type);
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t i = 0; i < actual.size(); ++i) ExpectLikeEvent(expected[i], actual[i]);
    }
    const auto expected = Open(root() / want / "adapter/adapter_model.safetensors");
    const auto actual = Open(root() / got / "adapter/adapter_model.safetensors");
    ASSERT_EQ(actual.tensors().size(), expected.tensors().size());
    double furthest = 0;
    for (const auto& tensor : expected.tensors()) {
      const auto x = Values(expected, tensor.name);
      const auto y = Values(actual, tensor.name);
      ASSERT_EQ(x.size(), y.size());
      for (std::size_t i = 0; i < x.size(); ++i) {
        furthest = std::max(furthest, std::abs(x[i] - y[i]));
      }
    }
    EXPECT_LT(furthest, 1e-5);
  }

 private:
  static void ExpectLikeEvent(const Json& expected, const Json& actual) {
    for (const auto& [key, value] : expected.items()) {
      if (!value.is_number() || key == "seq" || key == "tokensPerSecond" || key == "memoryBytes") {
        continue;
      }
      const double want = value;
      const double tolerance = key == "targetTokens" ? 0 : 1e-5 * std::max(1.0, std::abs(want));
      EXPECT_NEAR(actual.at(key).get<double>(), want, tolerance) << key << " of " << actual["step"];
    }
  }

  TempDir dir_ = TempDir::Create().value();
};

}  // namespace lathe::parity
