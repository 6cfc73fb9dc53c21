// Several real processes train one job: as one process does, whatever their number, and together
// to the end of each.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "common/base/unique_fd.h"
#include "tests/parity/support.h"

namespace lathe::parity {
namespace {

using Json = nlohmann::json;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// A port that was free a moment ago.
std::string FreePort() {
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

class DataParallel : public ::testing::Test {
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
    const Json paths = {
        {"baseModel", Golden("models/llama_tiny")},
        {"train", root() / "train.jsonl"},
        {"output", root() / output},
        {"initAdapter", Golden("runs/llama_lora_all_nonzeroB_clip/initial_adapter")}};
    std::ofstream(path) << Json{{"planVersion", 1}, {"jobId", "parallel"},
                                {"attempt", 1},     {"device", "cpu"},
                                {"paths", paths},   {"configuration", configuration}}
                               .dump();
    return path;
  }

  static std::vector<ChildProcess> Start(const std::string& plan, int ranks,
                                         const std::string& timeout = "120") {
    const std::string port = FreePort();
    std::vector<ChildProcess> children;
    for (int rank = 0; rank < ranks; ++rank) {
      auto child = ChildProcess::Start(
          {.program = fs::path(std::getenv("LATHE_BINARY_DIR")) / "lathe-trainer",
           .arguments = {"run", plan},
           .environment = {{"OMP_NUM_THREADS", "1"},
                           {"WORLD_SIZE", std::to_string(ranks)},
                           {"RANK", std::to_string(rank)},
                           {"MASTER_ADDR", "127.0.0.1"},
                           {"MASTER_PORT", port},
                           {"LATHE_DISTRIBUTED_TIMEOUT", timeout}},
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

TEST_F(DataParallel, TheGlobalBatchDecidesHoweverItIsCut) {
  Train("whole", Configuration(16, 1), 1);
  Train("small", Configuration(2, 8), 1);
  ExpectLike("whole", "small");
  Train("two", Configuration(8, 2), 2);
  ExpectLike("whole", "two");
  Train("four", Configuration(16, 1), 4);  // One micro-batch, cut among four.
  ExpectLike("whole", "four");
  // One process writes, and each step once.
  EXPECT_EQ(Events("four", "started").size(), 1U);
  EXPECT_EQ(Events("four", "started")[0]["processes"], 4);
  EXPECT_EQ(Events("four", "succeeded").size(), 1U);
}

TEST_F(DataParallel, DropoutIsDrawnByMicroBatch) {
  Json configuration = Configuration(4, 4);
  configuration["method"]["loraConfig"]["dropout"] = 0.2;
  Train("one", configuration, 1);
  Train("two", configuration, 2);
  ExpectLike("one", "two");
}

TEST_F(DataParallel, PreferencesAreTheSameToo) {
  std::ofstream out(root() / "train.jsonl");
  for (int row = 0; row < 20; ++row) {
    Json answer = Json::array();
    for (int i = 0; i < 3 + row % 4; ++i) answer.push_back((row * 17 + i * 3) % 250);
    out << Json{{"prompt_ids", {row, 7, 9}}, {"chosen_ids", answer}, {"rejected_ids", {260, row}}}
               .dump()
        << "\n";
  }
  out.close();
  Json configuration = Configuration(4, 2);
  configuration["datasets"] = {{"trainSplit", 0.8}};
  configuration["objective"] = {{"type", "dpo"}};
  Train("one", configuration, 1);
  Train("two", configuration, 2);
  ExpectLike("one", "two");
  EXPECT_EQ(*ReadFile(root() / "one/reference.safetensors"),
            *ReadFile(root() / "two/reference.safetensors"));
}

TEST_F(DataParallel, ASignalToOneStopsAllAndAnyNumberGoesOn) {
  Json configuration = Configuration(4, 4);
  configuration["schedule"]["maxSteps"] = 30;
  configuration["optimizer"]["learningRate"] = 1e-4;
  Train("whole", configuration, 2);
  const auto stop = [&](const std::string& output) {
    auto children = Start(WritePlan(output, configuration), 2);
    WaitForSteps(output, 5);
    children[1].Signal(SIGTERM);
    ASSERT_EQ(Codes(children), (std::vector<int>{75, 75}));
    EXPECT_EQ(Events(output, "interrupted").size(), 1U);
  };
  stop("again");
  Train("again", configuration, 2);
  EXPECT_EQ(Adapter("again"), Adapter("whole"));  // The same number: the same bits.
  stop("fewer");
  Train("fewer", configuration, 1);
  ExpectLike("whole", "fewer");
}

TEST_F(DataParallel, WhenOneDiesTheOthersLeaveWithAFault) {
  Json configuration = Configuration(2, 2);
  configuration["schedule"]["maxSteps"] = 100000;
  auto children = Start(WritePlan("dead", configuration), 3);
  WaitForSteps("dead", 3);
  children[2].Signal(SIGKILL);
  for (int rank : {0, 1}) {
    const auto status = children[static_cast<std::size_t>(rank)].WaitFor(60s);
    ASSERT_TRUE(status.has_value());
    EXPECT_EQ(status->code, 1);
  }
  EXPECT_EQ(children[2].Wait().signal, SIGKILL);
  const auto failed = Events("dead", "failed");
  ASSERT_EQ(failed.size(), 1U);
  EXPECT_NE(failed[0]["message"].get<std::string>().find("has lost the others"), std::string::npos);
}

TEST_F(DataParallel, AHangingOneIsGivenUpInTime) {
  Json configuration = Configuration(2, 2);
  configuration["schedule"]["maxSteps"] = 100000;
  auto children = Start(WritePlan("hung", configuration), 2, "10");
  WaitForSteps("hung", 2);
  children[1].Signal(SIGSTOP);
  const auto status = children[0].WaitFor(120s);
  children[1].Signal(SIGKILL);
  children[1].Wait();
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 1);
}

TEST_F(DataParallel, AnEnvironmentThatIsWrongIsRefused) {
  auto child =
      ChildProcess::Start({.program = fs::path(std::getenv("LATHE_BINARY_DIR")) / "lathe-trainer",
                           .arguments = {"run", WritePlan("wrong", Configuration(2, 2))},
                           .environment = {{"WORLD_SIZE", "2"}, {"RANK", "5"}},
                           .working_directory = {}});
  ASSERT_TRUE(child.has_value());
  EXPECT_EQ(child->Wait().code, 6);
}

}  // namespace
}  // namespace lathe::parity
