#include "coordinator/providers/check.h"

#include <gmock/gmock.h>

#include "common/schema/configuration.h"

namespace lathe::providers {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsSupersetOf;
using testing::Not;

constexpr char kBase[] = R"({"model":{"baseModel":"gpt-4o-mini"})";

std::vector<Finding> Check(const std::string& engine, const std::string& more) {
  const schema::Parsed parsed = schema::FromJson(kBase + (more.empty() ? "" : "," + more) + "}");
  EXPECT_TRUE(parsed.findings.empty()) << more;
  return CheckEngine(**FindEngine(engine), parsed.configuration);
}

/// "error path:code" of each.
std::vector<std::string> Short(const std::vector<Finding>& findings) {
  std::vector<std::string> out;
  for (const Finding& finding : findings) {
    out.push_back(std::string(ToString(finding.severity)) + " " + finding.path + ":" +
                  finding.code);
  }
  return out;
}

TEST(CheckTest, AMinimalConfigurationFitsEveryEngine) {
  for (const Engine& engine : Engines()) {
    const auto findings = Check(engine.id, R"("metadata":{"fireworks":{"account_id":"acme"}})");
    EXPECT_FALSE(HasErrors(findings)) << engine.id << ": " << findings.back().message;
  }
}

TEST(CheckTest, WhatCannotBeDoneIsAnError) {
  const std::vector<std::tuple<std::string, std::string, std::string>> cases = {
      {"openai", R"("objective":{"type":"rlhf"})", "objective.type"},
      {"openai", R"("method":{"type":"prefix"})", "method.type"},
      {"openai", R"("method":{"type":"qlora"})", "method.type"},
      {"openai", R"("objective":{"type":"dpo","dpo":{"lossType":"ipo"}})",
       "objective.dpo.lossType"},
      {"together", R"("optimizer":{"scheduler":{"type":"polynomial"}})",
       "optimizer.scheduler.type"},
      {"together", R"("method":{"type":"adapter"})", "method.type"},
      {"fireworks", R"("method":{"type":"full"})", "method.type"},
      {"mistral", R"("objective":{"type":"dpo"})", "objective.type"},
      {"mistral", R"("datasets":{"trainingFileId":"x","format":"text"})", "datasets.format"},
  };
  for (const auto& [engine, more, path] : cases) {
    const auto findings = Check(engine, more);
    EXPECT_THAT(Short(findings), Contains("error " + path + ":unsupported_by_engine"))
        << engine << " " << more;
    for (const Finding& finding : findings) {
      if (finding.severity != Severity::kError || finding.path != path) continue;
      EXPECT_THAT(finding.expected, HasSubstr("one of: "));
      EXPECT_FALSE(finding.given.empty());
    }
  }
}

TEST(CheckTest, WhatHasNoPlaceIsLeftOutWithAWarning) {
  const auto findings =
      Check("openai", R"("optimizer":{"learningRate":1e-4},"method":{"type":"lora"},)"
                      R"("hardware":{"numGPUs":4},"optimizations":{"enabled":["fused_kernels"]})");
  EXPECT_THAT(Short(findings),
              testing::UnorderedElementsAre(
                  "warning optimizer.learningRate:left_out", "warning method.type:left_out",
                  "warning hardware.numGPUs:left_out", "warning optimizations.enabled:left_out"));
  EXPECT_FALSE(HasErrors(findings));
  for (const Finding& finding : findings) {
    if (finding.path == "optimizer.learningRate") {
      EXPECT_THAT(finding.message, HasSubstr("metadata.openai.learning_rate_multiplier"));
    }
  }
  // What is not set draws nothing, and neither does what has a place.
  EXPECT_THAT(Check("openai", R"("schedule":{"epochs":2,"batchSize":8},"seed":3)"),
              testing::IsEmpty());
  // A place in another case only: beta without DPO.
  EXPECT_THAT(Short(Check("openai", R"("objective":{"dpo":{"beta":0.3}})")),
              Contains("warning objective.dpo.beta:left_out"));
}

TEST(CheckTest, StricterRangesOfEngines) {
  EXPECT_THAT(Short(Check("together", R"("method":{"loraConfig":{"dropout":1}})")),
              Contains("error method.loraConfig.dropout:out_of_range_of_engine"));
  EXPECT_THAT(Short(Check("together", R"("method":{"loraConfig":{"dropout":0.99}})")),
              Not(Contains(HasSubstr("out_of_range"))));
  const auto beta = [](const char* value) {
    return R"("metadata":{"fireworks":{"account_id":"a"}},"objective":{"type":"dpo","dpo":{"beta":)" +
           std::string(value) + "}}";
  };
  EXPECT_TRUE(HasErrors(Check("fireworks", beta("0.5"))));
  EXPECT_FALSE(HasErrors(Check("fireworks", beta("0.49"))));
  const std::string suffix(65, 'x');
  EXPECT_THAT(Short(Check("openai", R"("output":{"suffix":")" + suffix + "\"}")),
              Contains("error output.suffix:too_long"));
  EXPECT_THAT(Short(Check("lathe", R"("hardware":{"numNodes":2})")),
              Contains("error hardware.numNodes:out_of_range_of_engine"));
}

TEST(CheckTest, AModelThatIsNotListedIsAWarning) {
  const auto findings_of = [](const char* engine, const char* model) {
    const auto parsed =
        schema::FromJson(std::string(R"({"model":{"baseModel":")") + model + "\"}}");
    return CheckEngine(**FindEngine(engine), parsed.configuration);
  };
  const auto unlisted = findings_of("openai", "gpt-4o-mini-2024-07-19");
  EXPECT_THAT(Short(unlisted), Contains("warning model.baseModel:unlisted_model"));
  EXPECT_FALSE(HasErrors(unlisted));
  EXPECT_THAT(unlisted.front().message, HasSubstr("did you mean `gpt-4o-mini-2024-07-18`?"));
  for (const char* known : {"gpt-4o-mini-2024-07-18", "ft:gpt-4o-mini-2024-07-18:acme::x"}) {
    EXPECT_THAT(Short(findings_of("openai", known)), Not(Contains(HasSubstr("unlisted_model"))));
  }
  for (const auto& [engine, known] : {std::pair("together", "Qwen/Qwen3.5-9B"),
                                      {"fireworks", "accounts/fireworks/models/qwen3-8b"},
                                      {"mistral", "open-mistral-7b"},
                                      {"deepseek", "any, as there is no list"}}) {
    EXPECT_THAT(Short(findings_of(engine, known)), Not(Contains(HasSubstr("unlisted_model"))));
  }
}

TEST(CheckTest, CustomParametersAreChecked) {
  EXPECT_THAT(Short(Check("fireworks", "")),
              Contains("error metadata.fireworks.account_id:required_by_engine"));
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"account_id":7})", "account_id:wrong_type"},
      {R"({"account_id":"a/b"})", "account_id:invalid_value"},
      {R"({"account_id":"a\u0000b"})", "account_id:invalid_value"},
      {R"({"account_id":")" + std::string(64, 'a') + "\"}", "account_id:invalid_value"},
      {R"({"account_id":"a","is_turbo":"yes"})", "is_turbo:wrong_type"},
      {R"({"account_id":"a","is_turb":true})", "is_turb:unknown_key"},
  };
  for (const auto& [custom, expected] : cases) {
    EXPECT_THAT(Short(Check("fireworks", R"("metadata":{"fireworks":)" + custom + "}")),
                Contains("error metadata.fireworks." + expected));
  }
  EXPECT_THAT(Short(Check("openai", R"("metadata":{"openai":{"learning_rate_multiplier":0}})")),
              Contains("error metadata.openai.learning_rate_multiplier:out_of_range"));
  EXPECT_THAT(
      Short(Check("together", R"("metadata":{"together":{"early_stopping_warmup_evals":1.5}})")),
      Contains("error metadata.together.early_stopping_warmup_evals:wrong_type"));
  EXPECT_THAT(Short(Check("openai", R"("metadata":{"openai":[1]})")),
              Contains("error metadata.openai:wrong_type"));
  // Other engines' and free-form metadata are nobody's business here.
  EXPECT_THAT(Check("openai", R"("metadata":{"team":"a","together":{"x":1}})"), testing::IsEmpty());
}

TEST(CheckTest, ParametersThatAnEngineNeedsInSomeCases) {
  const std::string early = R"("schedule":{"earlyStoppingPatience":2})";
  EXPECT_THAT(Short(Check("together", early)),
              Contains("error datasets.validationFileId:required_by_engine"));
  EXPECT_THAT(Short(Check("mistral", R"("integrations":{"wandb":{"project":"p"}})")),
              Contains("error integrations.wandb.apiKey:required_by_engine"));
}

TEST(CheckTest, AnEngineThatCannotStartSaysSo) {
  const auto findings = Check("deepseek", "");
  EXPECT_THAT(Short(findings), Contains("warning provider:cannot_start"));
  EXPECT_THAT(findings.front().message, HasSubstr("no public endpoint"));
}

TEST(CheckTest, AllFindingsAtOnceInTheOrderOfChecking) {
  v1::JobConfiguration configuration;
  configuration.mutable_method()->set_type(v1::METHOD_TYPE_PREFIX);
  configuration.mutable_schedule()->set_epochs(1000);
  const auto findings = Validate(**FindEngine("fireworks"), configuration);
  EXPECT_THAT(
      Short(findings),
      IsSupersetOf({"error schedule.epochs:out_of_range", "error method.type:unsupported_by_engine",
                    "error metadata.fireworks.account_id:required_by_engine"}));
  EXPECT_EQ(Short(findings).back(), "error metadata.fireworks.account_id:required_by_engine");
}

}  // namespace
}  // namespace lathe::providers
