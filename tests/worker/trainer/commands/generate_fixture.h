#pragma once
// What `generate` prints of the talking model.

#include <gtest/gtest.h>

#include <sstream>

#include "tests/worker/trainer/commands/trainer_fixture.h"
#include "tests/worker/trainer/loop/talking_model.h"
#include "worker/trainer/commands/generate.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {

class GenerateTest : public TrainerFixture {
 protected:
  void SetUp() override {
    TrainerFixture::SetUp();
    parity::WriteTalkingModel(root() / "model");
    arguments_.model = root() / "model";
    arguments_.max_tokens = 12;
    arguments_.json = true;
  }

  /// The lines of JSON that are printed.
  std::vector<Json> Run(const std::string& input = "", int code = 0) {
    std::istringstream in(input);
    std::ostringstream out;
    EXPECT_EQ(RunGenerate(arguments_, in, out), code) << out.str();
    text_ = out.str();
    std::vector<Json> lines;
    std::istringstream printed(text_);
    for (std::string line; std::getline(printed, line);) lines.push_back(Json::parse(line));
    return lines;
  }
  std::string Refusal(const std::string& input) {
    return Run(input, trainer_protocol::kExitInvalid).at(0)["error"]["message"].get<std::string>();
  }
  /// The answer to one prompt, as it comes.
  std::string Alone(const std::string& prompt) {
    const GenerateArguments all = arguments_;
    arguments_.prompts.reset();
    std::string answer;
    for (const Json& line : Run(prompt)) answer += line.value("text", "");
    arguments_ = all;
    return answer;
  }

  GenerateArguments arguments_;
  std::string text_;
  const std::string adapter_ =
      parity::Golden("runs/llama_lora_all_nonzeroB_clip/initial_adapter").string();
};

}  // namespace lathe::trainer::commands
