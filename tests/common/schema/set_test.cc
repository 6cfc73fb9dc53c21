#include <gmock/gmock.h>

#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::HasSubstr;

struct Case {
  const char* assignment;
  const char* json;
};

TEST(SetTest, TakesJsonOrBareText) {
  for (const Case& c : {
           Case{"schedule.epochs=2", R"({"schedule":{"epochs":2}})"},
           Case{"optimizer.learningRate=1e-4", R"({"optimizer":{"learningRate":0.0001}})"},
           Case{"method.type=qlora", R"({"method":{"type":"qlora"}})"},
           Case{"method.type=\"qlora\"", R"({"method":{"type":"qlora"}})"},
           Case{"model.baseModel=8", R"({"model":{"baseModel":"8"}})"},
           Case{"model.baseModel=a=b", R"({"model":{"baseModel":"a=b"}})"},
           Case{"model.baseModel=", R"({"model":{"baseModel":""}})"},
           Case{"datasets.shuffle=false", R"({"datasets":{"shuffle":false}})"},
           Case{"optimizations.enabled=flash_attention,fused_kernels",
                R"({"optimizations":{"enabled":["flash_attention","fused_kernels"]}})"},
           Case{R"(evaluation.metrics=["perplexity"])",
                R"({"evaluation":{"metrics":["perplexity"]}})"},
           Case{"method.loraConfig.rankPattern.q_proj=4",
                R"({"method":{"loraConfig":{"rankPattern":{"q_proj":4}}}})"},
           Case{R"(method.loraConfig.rankPattern.a\.b=4)",
                R"({"method":{"loraConfig":{"rankPattern":{"a.b":4}}}})"},
           Case{R"(method.loraConfig={"rank":4})", R"({"method":{"loraConfig":{"rank":4}}})"},
           Case{"metadata.team.name=tools", R"({"metadata":{"team":{"name":"tools"}}})"},
           Case{"metadata.n=3", R"({"metadata":{"n":3}})"},
           Case{R"(tools=[{"name":"a"}])", R"({"tools":[{"name":"a"}]})"},
           Case{"seed=null", "{}"},
       }) {
    v1::JobConfiguration configuration;
    const Status status = Set(configuration, c.assignment);
    ASSERT_TRUE(status.has_value()) << c.assignment << ToString(status.error());
    EXPECT_EQ(ToJson(configuration), c.json) << c.assignment;
  }
}

TEST(SetTest, ChangesAndUnsetsWhatWasSet) {
  v1::JobConfiguration configuration = Valid({"schedule.epochs=2", "schedule.batchSize=8"});
  ASSERT_TRUE(Set(configuration, "schedule.epochs=5").has_value());
  ASSERT_TRUE(Set(configuration, "schedule.batchSize=null").has_value());
  EXPECT_EQ(configuration.schedule().epochs(), 5);
  EXPECT_FALSE(configuration.schedule().has_batch_size());
  EXPECT_EQ(configuration.model().base_model(), "tiny");
}

TEST(SetTest, KeepsSecrets) {
  v1::JobConfiguration configuration = Valid({"integrations.wandb.apiKey=hunter2"});
  ASSERT_TRUE(Set(configuration, "schedule.epochs=5").has_value());
  EXPECT_EQ(configuration.integrations().wandb().api_key(), "hunter2");
}

TEST(SetTest, RefusesAndLeavesTheConfigurationAsItWas) {
  for (const auto& [assignment, part] : std::vector<std::pair<std::string, std::string>>{
           {"epochs=2", "did you mean `schedule.epochs`?"},
           {"schedule.epoch=2", "did you mean `schedule.epochs`?"},
           {"zzzzzzzzzz=2", "no parameter of this name"},
           {"schedule.epochs", "not an assignment"},
           {"=3", "not an assignment"},
           {"schedule.epochs=two", "not an integer"},
           {"schedule.epochs.x=2", "no parameter of this name"},
           {"schedule=2", "not an object"},
           {"method.type=loar", "did you mean `lora`?"},
           {"tools[0].name=a", "no parameter of this name"},
           {"seed=\xff", "not valid UTF-8"},
       }) {
    v1::JobConfiguration configuration = Valid();
    const std::string before = ToJson(configuration);
    const Status status = Set(configuration, assignment);
    ASSERT_FALSE(status.has_value()) << assignment;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    ASSERT_EQ(status.error().findings.size(), 1U) << assignment;
    EXPECT_THAT(status.error().findings[0].message, HasSubstr(part)) << assignment;
    EXPECT_EQ(ToJson(configuration), before);
  }
}

}  // namespace
}  // namespace lathe::schema
