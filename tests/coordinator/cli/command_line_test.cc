#include "coordinator/cli/command_line/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "common/schema/parameters.h"
#include "coordinator/cli/command_line/suggestion.h"
#include "lathe/v1/inference_service.pb.h"
#include "tests/coordinator/cli/cli_runner.h"

namespace lathe::cli {
namespace {

using ::testing::HasSubstr;

TEST(Suggestion, OnlyWhatIsNear) {
  const std::vector<std::string> words = {"submit", "list", "logs", "watch"};
  EXPECT_EQ(Nearest("sumbit", words), "submit");
  EXPECT_EQ(Nearest("lsit", words), "list");
  EXPECT_EQ(Nearest("wacth", words), "watch");
  EXPECT_EQ(Nearest("frobnicate", words), "");
}

TEST(CommandLine, UnknownCommandIsUsageWithSuggestion) {
  CliRunner runner;
  const RunResult result = runner.Run({"node", "lst"});
  EXPECT_EQ(result.code, ExitCode::kUsage);
  EXPECT_THAT(result.err, HasSubstr("error: 'lathe node' has no command 'lst'"));
  EXPECT_THAT(result.err, HasSubstr("hint: did you mean 'list'?"));
  EXPECT_EQ(result.out, "");
}

TEST(CommandLine, UnknownOptionIsNamedEvenWhenOthersAreMissing) {
  CliRunner runner;
  const RunResult result = runner.Run({"submit", "--priorty", "3"});
  EXPECT_EQ(result.code, ExitCode::kUsage);
  EXPECT_THAT(result.err, HasSubstr("did you mean '--priority'?"));
}

TEST(CommandLine, UsageErrorsAreJsonWhenJsonIsWanted) {
  CliRunner runner;
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"-o", "json", "nothing"},
        {"list", "--output=json", "--bad"},
        {"get", "-ojson"},
        {"list", "--state", "asleep", "-o", "json"}}) {
    const RunResult result = runner.Run(arguments);
    EXPECT_EQ(result.code, ExitCode::kUsage);
    const auto error = nlohmann::json::parse(result.err, nullptr, false);
    ASSERT_TRUE(error.is_object()) << result.err;
    EXPECT_EQ(error["error"]["exitCode"], 2);
  }
}

TEST(CommandLine, AnOptionsValueIsNoCommand) {
  CliRunner runner;
  const RunResult result = runner.Run({"--address", "lst", "generate", "--prompt", "list"});
  EXPECT_THAT(result.err, HasSubstr("--model, --job or --compose is required"));
}

TEST(CommandLine, ModelJobAndCompositionExcludeEachOther) {
  CliRunner runner;
  const std::vector<std::string> compose = {"generate", "--compose", "additive:a"};
  EXPECT_EQ(runner.Run({"generate", "--model", "m", "--job", "j"}).code, ExitCode::kUsage);
  for (const char* other : {"--model", "--job"}) {
    std::vector<std::string> words = compose;
    words.insert(words.end(), {other, "x"});
    EXPECT_EQ(runner.Run(words).code, ExitCode::kUsage) << other;
  }
}

TEST(CommandLine, WhatIsWrongInACompositionIsToldBeforeAnybodyIsAsked) {
  CliRunner runner;
  const RunResult result = runner.Run({"--address", "127.0.0.1:1", "generate", "--prompt", "hello",
                                       "--compose", "average:job-a=much,job-b,job-b"});
  EXPECT_EQ(result.code, ExitCode::kInvalid);
  EXPECT_THAT(result.err, HasSubstr("no method \"average\""));
  EXPECT_THAT(result.err, HasSubstr("additive, gated, sequential"));
  EXPECT_THAT(result.err, HasSubstr("weight of job-a is \"much\""));
  EXPECT_THAT(result.err, HasSubstr("\"job-b\" is named twice"));
}

TEST(CommandLine, HelpGoesToStandardOutputAndShowsExamples) {
  CliRunner runner;
  for (const char* command : {"up", "down", "submit", "list", "get", "cancel", "watch", "logs",
                              "metrics", "generate", "version", "completion"}) {
    const RunResult result = runner.Run({command, "--help"});
    EXPECT_EQ(result.code, ExitCode::kOk) << command;
    EXPECT_THAT(result.out, HasSubstr(std::string("Usage: lathe ") + command));
    EXPECT_THAT(result.out, HasSubstr("Examples:")) << command;
    EXPECT_EQ(result.err, "");
  }
  EXPECT_THAT(runner.Run({"adapter", "pull", "-h"}).out, HasSubstr("Usage: lathe adapter pull"));
}

TEST(CommandLine, HowAnswersAreGeneratedIsSaidByTheCallsDescription) {
  CliRunner runner;
  const std::string help = runner.Run({"generate", "--help"}).out;
  for (const schema::Parameter& parameter :
       schema::ParametersOf(*v1::GenerateRequest::descriptor())) {
    if (parameter.type == schema::ParameterType::kObject) continue;
    EXPECT_THAT(help, HasSubstr(schema::OptionName(parameter) + " "));
  }
  EXPECT_THAT(help, HasSubstr("(0 to 16777216; default 0)"));
  EXPECT_THAT(help, HasSubstr("METHOD: additive, gated, sequential."));
  EXPECT_THAT(help, HasSubstr("JOB: 1 to 32 values. WEIGHT: -100 to 100, default 1."));
  EXPECT_EQ(runner.Run({"generate", "--model", "m", "--top-k", "few"}).code, ExitCode::kUsage);
}

TEST(CommandLine, GlobalOptionsStandAnywhere) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--address", "a:1", "-o", "yaml", "list"},
        {"list", "--address", "a:1", "-o", "yaml"}}) {
    const ParsedCommandLine parsed = ParseCommandLine(arguments);
    ASSERT_TRUE(parsed.invocation);
    EXPECT_EQ(parsed.invocation->options.address, "a:1");
    EXPECT_EQ(parsed.invocation->options.format, OutputFormat::kYaml);
  }
}

TEST(CommandLine, CompletionKnowsEveryCommand) {
  CliRunner runner;
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const RunResult result = runner.Run({"completion", shell});
    EXPECT_EQ(result.code, ExitCode::kOk);
    for (const char* word : {"submit", "pull", "validate", "dataset", "succeeded", "compose"}) {
      EXPECT_THAT(result.out, HasSubstr(word)) << shell;
    }
  }
  EXPECT_EQ(runner.Run({"completion", "tcsh"}).code, ExitCode::kUsage);
}

TEST(ConfigValidate, ShowsEveryFinding) {
  CliRunner runner;
  const std::string bad =
      "model: {baseModel: m}\nmethod: {type: lora, loraConfig: {rank: 0}}\nschedule: {epocs: 2}\n";
  const RunResult result = runner.Run({"config", "validate", "-f", "-"}, bad);
  EXPECT_EQ(result.code, ExitCode::kInvalid);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("method.loraConfig.rank"));
  EXPECT_THAT(result.err, HasSubstr("schedule.epocs"));

  const RunResult json = runner.Run({"config", "validate", "-f", "-", "-o", "json"}, bad);
  EXPECT_GE(nlohmann::json::parse(json.err)["error"]["findings"].size(), 2U);
}

TEST(ConfigValidate, ExplainsWhatAJobWouldGet) {
  CliRunner runner;
  const std::string file = "model: {baseModel: m}\nschedule: {epochs: 2}\n";
  const RunResult result =
      runner.Run({"config", "validate", "-", "--set", "seed=7", "--explain", "-o", "json"}, file);
  EXPECT_EQ(result.code, ExitCode::kOk) << result.err;
  std::map<std::string, std::string> sources;
  const auto answer = nlohmann::json::parse(result.out);
  for (const auto& value : answer["values"]) {
    sources[value["path"]] = value["value"].dump() + " " + value["source"].get<std::string>();
  }
  EXPECT_EQ(sources["schedule.epochs"], "2 user");
  EXPECT_EQ(sources["seed"], "7 user");
  EXPECT_THAT(sources["schedule.batchSize"], testing::EndsWith(" default"));
  EXPECT_THAT(runner.Run({"config", "validate", "-", "--explain"}, file).out,
              HasSubstr("schedule.batchSize"));
  const RunResult wrong =
      runner.Run({"config", "validate", "-", "--set", "schedule.epocs=1"}, file);
  EXPECT_EQ(wrong.code, ExitCode::kInvalid);
  EXPECT_THAT(wrong.err, HasSubstr("schedule.epochs"));
}

TEST(ConfigValidate, AMissingFileIsNotFound) {
  CliRunner runner;
  EXPECT_EQ(runner.Run({"config", "validate", "-f", "/nonexistent.yaml"}).code,
            ExitCode::kNotFound);
}

TEST(ConfigSchema, IsJsonSchema) {
  CliRunner runner;
  const RunResult result = runner.Run({"config", "schema", "-o", "json"});
  EXPECT_TRUE(nlohmann::json::parse(result.out).contains("properties"));
  EXPECT_THAT(runner.Run({"config", "schema"}).out, HasSubstr("method.loraConfig.rank"));
}

}  // namespace
}  // namespace lathe::cli
