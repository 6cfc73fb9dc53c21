// generate with compositions: as a command line, a file and a prompt say them.

#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "common/composition/composition.h"
#include "tests/worker/trainer/commands/generate_fixture.h"
#include "worker/trainer/plan/generation_table.h"

namespace lathe::trainer::commands {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ComposeTest : public GenerateTest {
 protected:
  void Compose(const std::string& composition) { arguments_.speakers.compositions = {composition}; }
  /// The one answer to "Hi!".
  std::string Answer() { return Alone("Hi!"); }
  std::string Answer(const std::string& composition) {
    Compose(composition);
    return Answer();
  }
  /// What is said to be wrong.
  std::string AllFindings() {
    std::string text;
    for (const Json& line : Run("Hi!", trainer_protocol::kExitInvalid)) {
      const Json error = line.value("error", Json{{"message", ""}});
      text += error["message"].get<std::string>() + "\n";
      for (const Json& finding : error.value("findings", Json::array())) {
        text += finding["path"].get<std::string>() + ": " + finding["message"].get<std::string>() +
                " - " + finding["expected"].get<std::string>() + "\n";
      }
    }
    return text;
  }
  Json Written(const Json& members, const std::string& method = "additive") const {
    return {{"method", method}, {"adapters", members}};
  }

  const std::string dora_ = parity::Golden("runs/llama_dora_all/initial_adapter").string();
};

TEST_F(ComposeTest, ACommandLineAFileAndAPromptSayTheSame) {
  arguments_.max_tokens = 24;
  const std::string wanted = Answer("additive:" + adapter_ + "=0.5," + dora_ + "=-0.25");
  arguments_.speakers.compositions.clear();
  const std::string base = Answer();
  arguments_.speakers.adapters = {adapter_};
  const std::string alone = Answer();
  EXPECT_NE(wanted, base);
  EXPECT_NE(wanted, alone);
  arguments_.speakers.adapters.clear();

  const Json composition =
      Written({{{"adapter", adapter_}, {"weight", 0.5}}, {{"adapter", dora_}, {"weight", -0.25}}});
  Write("mix.json", composition.dump());
  EXPECT_EQ(Answer((root() / "mix.json").string()), wanted);
  arguments_.speakers.compositions.clear();
  const Json chat = {{"messages", {{{"role", "user"}, {"content", "Hi!"}}}},
                     {"adapter", composition}};
  EXPECT_EQ(Alone(chat.dump()), wanted);
  EXPECT_EQ(Run(chat.dump()).back()["adapter"], composition.dump());
  const Json gated = Written({{{"adapter", adapter_}, {"weights", {0.5, 0.5}}, {"headWeight", 0.5}},
                              {{"adapter", dora_}, {"weight", -0.25}}},
                             "gated");
  Write("gated.json", gated.dump());
  EXPECT_EQ(Answer((root() / "gated.json").string()), wanted);
}

TEST_F(ComposeTest, EveryPromptMayAskAnother) {
  arguments_.speakers.adapters = {"one=" + adapter_, "two=" + dora_};
  arguments_.speakers.compositions = {"mix=additive:one=0.5,two"};
  const Json inline_mix = Written({{{"adapter", "two"}}, {{"adapter", "one"}, {"weight", 0.5}}});
  Write("prompts", Json{{"text", "Hi!"}, {"adapter", "mix"}}.dump() + "\n" +
                       Json{{"text", "Hi!"}, {"adapter", nullptr}}.dump() + "\n" +
                       Json{{"text", "Hi!"}, {"adapter", "one"}}.dump() + "\n" +
                       Json{{"text", "Hi!"}, {"adapter", inline_mix}}.dump() + "\nHi!\n");
  arguments_.prompts = root() / "prompts";
  std::map<std::string, std::string> answers;
  for (const Json& line : Run()) {
    if (!line.contains("prompt")) continue;
    answers[line["prompt"].dump() + " " + line["adapter"].dump()] = line["text"];
  }
  ASSERT_EQ(answers.size(), 7U);
  EXPECT_EQ(answers["0 \"mix\""], answers["4 \"mix\""]);
  EXPECT_EQ(answers["2 \"one\""], answers["4 \"one\""]);
  EXPECT_EQ(answers["3 " + Json(inline_mix.dump()).dump()], answers["0 \"mix\""]);
  arguments_.speakers = {};
  EXPECT_EQ(answers["1 null"], Answer());
  EXPECT_EQ(answers["0 \"mix\""], Answer("additive:" + adapter_ + "=0.5," + dora_));
  EXPECT_NE(answers["0 \"mix\""], answers["1 null"]);
}

TEST_F(ComposeTest, WeightOneAloneIsTheAdapterAndWeightZeroTheBase) {
  arguments_.speakers.adapters = {adapter_};
  const std::string alone = Answer();
  arguments_.speakers = {};
  const std::string base = Answer();
  EXPECT_EQ(Answer("additive:" + adapter_ + "," + dora_ + "=0"), alone);
  EXPECT_EQ(Answer("additive:" + adapter_ + "=0," + dora_ + "=0"), base);
}

TEST_F(ComposeTest, AllThatIsWrongIsSaidAtOnce) {
  Compose("mix=average:" + adapter_ + "=much," + dora_ + "," + dora_);
  EXPECT_THAT(AllFindings(), AllOf(HasSubstr("no method \"average\""), HasSubstr("\"much\""),
                                   HasSubstr("named twice")));
  Compose("additive:" + adapter_ + "=nan," + adapter_ + "2");
  EXPECT_THAT(AllFindings(), HasSubstr("a number, as in"));
  for (const char* given : {"", "=", ":", "additive:", "additive:x,", "=additive:x", "additive:=1",
                            "additive:x=\xff", "\xff:x"}) {
    Compose(given);
    EXPECT_THAT(AllFindings(), HasSubstr("--compose")) << given;
  }
  arguments_.speakers.adapters = {"a=" + adapter_, "a=" + dora_, "b=nowhere"};
  Compose("b=additive:a,c");
  EXPECT_THAT(AllFindings(), AllOf(HasSubstr("\"a\" is taken"), HasSubstr("\"b\" is taken"),
                                   HasSubstr("no adapter \"c\"")));
  Compose("mix=additive:a," + adapter_);
  arguments_.speakers.adapters = {"a=" + adapter_};
  EXPECT_THAT(AllFindings(), HasSubstr("are the same adapter"));
  arguments_.speakers.adapters.clear();
  Write("bad.json", R"({"method": "additive", "adapters": [{"adapter": "x", "weights": [1]}, {},
                                                           {"adapter": "y", "weigth": 1}]})");
  Compose((root() / "bad.json").string());
  EXPECT_THAT(AllFindings(), AllOf(HasSubstr("bad.json"), HasSubstr("for method gated only"),
                                   HasSubstr("adapters[1]"), HasSubstr("adapters[2].weigth")));
}

TEST_F(ComposeTest, TheLimitsAreThoseOfACall) {
  Compose("additive:" + adapter_ + "=100.5," + dora_ + "=-100");
  EXPECT_THAT(AllFindings(), AllOf(HasSubstr("adapters[0].weight: outside the range - -100 to 100"),
                                   Not(HasSubstr("adapters[1]"))));
  const Json gates = {{"adapter", adapter_}, {"weights", {0.5, -101}}, {"headWeight", 1e9}};
  const Json chat = {{"text", "Hi!"}, {"adapter", Written(Json::array({gates}), "gated")}};
  arguments_.speakers.compositions.clear();
  EXPECT_THAT(Run(chat.dump(), trainer_protocol::kExitInvalid)[0].dump(),
              AllOf(HasSubstr("adapters[0].weights[1]"), HasSubstr("adapters[0].headWeight")));
  std::string many = "additive:a";
  for (int i = 0; i < 32; ++i) many += ",a" + std::to_string(i);
  Compose(many);
  EXPECT_THAT(AllFindings(), HasSubstr("adapters: has 33 values - 1 to 32 values"));
}

TEST(ComposeDefaultsTest, AreThoseOfACall) {
  const composition::Weights weights;
  EXPECT_EQ(weights.layers, std::vector<double>{1});
  for (const char* path : {"adapters[].weight", "adapters[].headWeight"}) {
    const auto row = std::find_if(
        std::begin(plan::kCompositionParameters), std::end(plan::kCompositionParameters),
        [&](const auto& parameter) { return parameter.value.path == path; });
    ASSERT_NE(row, std::end(plan::kCompositionParameters));
    EXPECT_EQ(std::stod(std::string(row->value.default_json)), weights.head) << path;
  }
}

TEST_F(ComposeTest, AdaptersThatDoNotFitAreToldByName) {
  const std::string other = parity::Golden("runs/gemma3_lora_all/initial_adapter").string();
  Compose("additive:" + adapter_ + "," + other + "," + root().string());
  EXPECT_THAT(AllFindings(), HasSubstr(root().string()));
  Compose("additive:" + adapter_ + "," + other);
  EXPECT_THAT(AllFindings(), AllOf(HasSubstr(other), HasSubstr("has shape")));
  const std::string model = parity::Golden("models/llama_tiny").string();
  Compose("additive:" + adapter_ + "," + model);
  EXPECT_THAT(AllFindings(), AllOf(HasSubstr(model + " is a whole model"), HasSubstr(adapter_)));
  Compose("additive:" + model + "=0.5");
  EXPECT_THAT(AllFindings(), HasSubstr("is a whole model"));
  Write("gated.json", Written({{{"adapter", adapter_}, {"weights", {1, 2, 3}}}}, "gated").dump());
  Compose((root() / "gated.json").string());
  EXPECT_THAT(AllFindings(), HasSubstr("has 3 weights"));
}

}  // namespace
}  // namespace lathe::trainer::commands
