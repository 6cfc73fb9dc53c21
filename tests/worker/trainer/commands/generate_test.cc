// generate: one prompt as it comes, many together, with and without adapters.

#include "worker/trainer/commands/generate.h"

#include <gmock/gmock.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <fstream>
#include <set>

#include "tests/worker/trainer/commands/generate_fixture.h"
#include "worker/trainer/commands/generation_options.h"

namespace lathe::trainer::commands {
namespace {

using testing::HasSubstr;

TEST_F(GenerateTest, ManyPromptsGetWhatEachGetsAlone) {
  Write("prompts", "Hi!\n\n\"What is it?\"\n" +
                       Json{{"messages", {{{"role", "user"}, {"content", "Well?"}}}}}.dump());
  arguments_.prompts = root() / "prompts";
  arguments_.speakers.adapters = {"mine=" + adapter_};
  arguments_.speakers.with_base = true;
  const auto lines = Run();
  ASSERT_EQ(lines.size(), 7U);
  EXPECT_EQ(lines[6]["done"], true);
  EXPECT_EQ(lines[6]["answers"], 6);
  arguments_.speakers.with_base = false;
  const char* questions[] = {"Hi!", "What is it?", "Well?"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(lines[3 + i]["prompt"], i);
    EXPECT_EQ(lines[3 + i]["adapter"], "mine");
    EXPECT_EQ(lines[3 + i]["text"], Alone(questions[i]));
    EXPECT_TRUE(lines[i]["adapter"].is_null());
    EXPECT_NE(lines[i]["text"], lines[3 + i]["text"]);
  }
  arguments_.speakers.adapters.clear();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(lines[i]["text"], Alone(questions[i]));
}

TEST_F(GenerateTest, SeveralAdaptersAnswerOnePrompt) {
  arguments_.speakers.adapters = {"one=" + adapter_, adapter_};
  arguments_.json = false;
  std::istringstream in("Hi!");
  std::ostringstream out;
  ASSERT_EQ(RunGenerate(arguments_, in, out), 0);
  EXPECT_THAT(out.str(), testing::StartsWith("[1] one\n"));
  EXPECT_THAT(out.str(), HasSubstr("[1] " + adapter_ + "\n"));
}

TEST_F(GenerateTest, TextsAreContinuedAsTheyAre) {
  Write("model/tokenizer_config.json", R"({"eos_token": "<|end|>"})");
  EXPECT_THAT(Refusal("Hi!"), HasSubstr("--raw"));
  arguments_.raw = true;
  const auto lines = Run("Hi!");
  EXPECT_EQ(lines.back()["done"], true);
  EXPECT_THAT(Refusal(R"({"messages": []})"), HasSubstr("not chats"));
  arguments_.raw = false;
  Write("template", parity::kTalkingTemplate);
  arguments_.chat_template = root() / "template";
  EXPECT_EQ(Run("Hi!").back()["done"], true);
}

TEST_F(GenerateTest, AStopTextEndsAnAnswerAndIsNoPartOfIt) {
  const std::string whole = Alone("Hi!");
  ASSERT_GT(whole.size(), 5U);
  const std::string stop = whole.substr(3, 2);
  const std::string before = whole.substr(0, whole.find(stop));
  arguments_.stop = {"never said", stop};
  EXPECT_EQ(Alone("Hi!"), before);
  const auto done = Run("Hi!").back();
  EXPECT_EQ(done["finishReason"], "stop");
  EXPECT_LT(done["tokens"], arguments_.max_tokens);
  Write("prompts", "Hi!\nWell?\n");
  arguments_.prompts = root() / "prompts";
  const auto lines = Run();
  EXPECT_EQ(lines[0]["text"], before);
  EXPECT_EQ(lines[1]["text"], Alone("Well?"));
}

TEST_F(GenerateTest, RepetitionIsPenalised) {
  const std::string plain = Alone("Hi!");
  arguments_.repetition_penalty = 100;
  const auto distinct = [](const std::string& text) {
    return std::set<char>(text.begin(), text.end()).size();
  };
  EXPECT_GT(distinct(Alone("Hi!")), distinct(plain));
}

TEST_F(GenerateTest, WeightsThatAreNoNumbersAreAnError) {
  std::filesystem::copy(adapter_, root() / "broken");
  const auto file = root() / "broken/adapter_model.safetensors";
  std::filesystem::permissions(file, std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  const std::string infinite(4, '\xff');  // NaN, as the last fp32 of the last tensor
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary)
      .seekp(-4, std::ios::end)
      .write(infinite.data(), 4);
  arguments_.speakers.adapters = {(root() / "broken").string()};
  EXPECT_THAT(
      Run("Hi!", trainer_protocol::kExitInvalid).back()["error"]["message"].get<std::string>(),
      HasSubstr("no numbers"));
}

TEST_F(GenerateTest, SettingsOutsideTheirLimitsAreToldAtOnce) {
  arguments_.max_tokens = 0;
  arguments_.temperature = 100.5;
  arguments_.top_p = 0;
  arguments_.top_k = -1;
  arguments_.repetition_penalty = std::nan("");
  arguments_.seed = -1;
  arguments_.stop = {"fine", "", std::string(257, 'x')};
  const Json error = Run("Hi!", trainer_protocol::kExitInvalid).at(0)["error"];
  std::vector<std::string> told;
  for (const Json& finding : error["findings"]) {
    told.push_back(finding["path"].get<std::string>() + ": " +
                   finding["expected"].get<std::string>());
  }
  EXPECT_THAT(told,
              testing::ElementsAre(
                  "--max-tokens: 1 to 32768", "--temperature: 0 to 100", "--top-p: > 0 to 1",
                  "--seed: >= 0", "--top-k: 0 to 16777216", "--repetition-penalty: 0.01 to 100",
                  "--stop: at most 16 values, each of 1 to 256 bytes, none of them 0",
                  "--stop: at most 16 values, each of 1 to 256 bytes, none of them 0"));
}

TEST_F(GenerateTest, TheCommandLineGivesEverySetting) {
  CLI::App app;
  GenerateArguments given;
  AddGenerationOptions(app, given);
  app.parse(
      "--max-tokens 3 --temperature 0.5 --top-p 0.9 --top-k 4 --repetition-penalty 1.5 --seed 6 "
      "--stop a --stop=-b");
  EXPECT_EQ(given.max_tokens, 3);
  EXPECT_EQ(given.temperature, 0.5);
  EXPECT_EQ(given.top_p, 0.9);
  EXPECT_EQ(given.top_k, 4);
  EXPECT_EQ(given.repetition_penalty, 1.5);
  EXPECT_EQ(given.seed, 6);
  EXPECT_THAT(given.stop, testing::ElementsAre("a", "-b"));
  EXPECT_THAT(app.help(), HasSubstr("--temperature FLOAT=0 "));
  EXPECT_THAT(app.help(), HasSubstr("(0.01 to 100)"));
}

TEST_F(GenerateTest, WhatIsWrongIsSaidWithItsPlace) {
  Write("prompts", "Hi!\n{\"messages\": [{\"content\": 1}]}\n");
  arguments_.prompts = root() / "prompts";
  EXPECT_THAT(Refusal(""), HasSubstr("prompts:2"));
  Write("prompts", "\n");
  EXPECT_THAT(Refusal(""), HasSubstr("has no prompt"));
  const std::string deep(100'000, '[');
  Write("prompts", "{\"messages\": " + deep + std::string(deep.size(), ']') + "}\n");
  EXPECT_THAT(Refusal(""), HasSubstr("levels deep"));
  arguments_.prompts.reset();
  EXPECT_THAT(Refusal(" "), HasSubstr("standard input is empty"));
  arguments_.speakers.adapters = {(root() / "nowhere").string()};
  EXPECT_THAT(Refusal("Hi!"), HasSubstr("nowhere"));
}

}  // namespace
}  // namespace lathe::trainer::commands
