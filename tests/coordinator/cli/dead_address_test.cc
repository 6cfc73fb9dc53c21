// Every command that needs the coordinator, against an address where nothing listens: exit code 5,
// nothing on standard output, and with JSON an error that parses and names the address.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <nlohmann/json.hpp>

#include "tests/coordinator/cli/cli_runner.h"

namespace lathe::cli {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr char kDead[] = "127.0.0.1:1";

const std::vector<Words>& Commands() {
  static const std::vector<Words> commands = {
      {"list"},
      {"get", "job-aaaaaaaaaaaa"},
      {"get", "a"},
      {"explain", "job-aaaaaaaaaaaa"},
      {"restart", "job-aaaaaaaaaaaa"},
      {"cancel", "job-aaaaaaaaaaaa"},
      {"watch", "job-aaaaaaaaaaaa"},
      {"logs", "job-aaaaaaaaaaaa"},
      {"logs", "-f", "job-aaaaaaaaaaaa"},
      {"metrics", "job-aaaaaaaaaaaa"},
      {"adapter", "pull", "job-aaaaaaaaaaaa"},
      {"generate", "--model", "m", "--prompt", "hello"},
      {"generate", "--compose", "additive:job-a,job-b", "--prompt", "hello"},
      {"node", "list"},
      {"provider", "list"},
      {"provider", "start", "openai", "-f", "-"},
      {"provider", "status", "openai", "j"},
      {"provider", "cancel", "openai", "j"},
      {"provider", "capabilities", "openai"},
      {"provider", "translate", "openai", "-f", "-"},
      {"version"},
      {"submit", "-f", "-"},
      {"submit", "-f", "-", "--dry-run"},
      {"submit", "--config", "c"},
      {"config", "list"},
      {"config", "save", "c", "-f", "-"},
  };
  return commands;
}

RunResult RunAgainstDead(Words words) {
  CliRunner runner;
  words.insert(words.end(), {"--address", kDead, "--output", "json"});
  return runner.Run(words,
                    "model: {baseModel: m}\n"
                    "datasets: {trainingFileId: 'sha256:" +
                        std::string(64, 'a') + "'}\n");
}

/// By command. Each waits a second for a coordinator that may just be starting: they wait together.
class DeadAddress : public ::testing::TestWithParam<Words> {
 protected:
  static void SetUpTestSuite() {
    std::map<Words, std::future<RunResult>> running;
    for (const Words& words : Commands()) {
      running[words] = std::async(std::launch::async, RunAgainstDead, words);
    }
    for (auto& [words, result] : running) results_[words] = result.get();
  }

  static inline std::map<Words, RunResult> results_;
};

TEST_P(DeadAddress, FailsWithJson) {
  const RunResult& result = results_.at(GetParam());
  EXPECT_EQ(result.code, ExitCode::kUnavailable) << result.err;
  const auto error = nlohmann::json::parse(result.err, nullptr, false);
  ASSERT_TRUE(error.is_object()) << result.err;
  EXPECT_EQ(error["error"]["code"], "unavailable");
  EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr(kDead));
  EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr("from --address"));
  EXPECT_EQ(error["error"]["exitCode"], 5);
  if (GetParam()[0] != "version") {
    EXPECT_EQ(result.out, "");
  }
}

INSTANTIATE_TEST_SUITE_P(Commands, DeadAddress, ::testing::ValuesIn(Commands()));

TEST(DeadAddressText, SaysWhatWhyAndWhatToDo) {
  CliRunner runner;
  runner.environment.address = kDead;
  const RunResult result = runner.Run({"list"});
  EXPECT_EQ(result.code, ExitCode::kUnavailable);
  EXPECT_THAT(result.err, HasSubstr("error: cannot reach the coordinator at 127.0.0.1:1 (from "
                                    "LATHE_ADDRESS) — Connection refused"));
  EXPECT_THAT(result.err, HasSubstr("hint: start one on this machine with `lathe up`"));
}

}  // namespace
}  // namespace lathe::cli
