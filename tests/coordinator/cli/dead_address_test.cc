// Every command that needs the coordinator, against an address where nothing listens: exit code 5,
// nothing on standard output, and with JSON an error that parses and names the address.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/coordinator/cli/cli_runner.h"

namespace lathe::cli {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr char kDead[] = "127.0.0.1:1";

class DeadAddress : public ::testing::TestWithParam<Words> {};

TEST_P(DeadAddress, FailsWithJson) {
  CliRunner runner;
  Words words = GetParam();
  words.insert(words.end(), {"--address", kDead, "--output", "json"});
  const RunResult result = runner.Run(words,
                                      "model: {baseModel: m}\n"
                                      "datasets: {trainingFileId: 'sha256:" +
                                          std::string(64, 'a') + "'}\n");
  EXPECT_EQ(result.code, ExitCode::kUnavailable) << result.err;
  const auto error = nlohmann::json::parse(result.err, nullptr, false);
  ASSERT_TRUE(error.is_object()) << result.err;
  EXPECT_EQ(error["error"]["code"], "unavailable");
  EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr(kDead));
  EXPECT_THAT(error["error"]["message"].get<std::string>(), HasSubstr("from --address"));
  EXPECT_EQ(error["error"]["exitCode"], 5);
  if (words[0] != "version") {
    EXPECT_EQ(result.out, "");
  }
}

INSTANTIATE_TEST_SUITE_P(
    Commands, DeadAddress,
    ::testing::Values(Words{"list"}, Words{"get", "job-aaaaaaaaaaaa"}, Words{"get", "a"},
                      Words{"explain", "job-aaaaaaaaaaaa"}, Words{"restart", "job-aaaaaaaaaaaa"},
                      Words{"cancel", "job-aaaaaaaaaaaa"}, Words{"watch", "job-aaaaaaaaaaaa"},
                      Words{"logs", "job-aaaaaaaaaaaa"}, Words{"logs", "-f", "job-aaaaaaaaaaaa"},
                      Words{"metrics", "job-aaaaaaaaaaaa"},
                      Words{"adapter", "pull", "job-aaaaaaaaaaaa"},
                      Words{"generate", "--model", "m", "--prompt", "hello"}, Words{"node", "list"},
                      Words{"provider", "list"}, Words{"provider", "start", "openai", "-f", "-"},
                      Words{"provider", "status", "openai", "j"},
                      Words{"provider", "cancel", "openai", "j"},
                      Words{"provider", "capabilities", "openai"},
                      Words{"provider", "translate", "openai", "-f", "-"}, Words{"version"},
                      Words{"submit", "-f", "-"}, Words{"submit", "-f", "-", "--dry-run"},
                      Words{"submit", "--config", "c"}, Words{"config", "list"},
                      Words{"config", "save", "c", "-f", "-"}));

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
