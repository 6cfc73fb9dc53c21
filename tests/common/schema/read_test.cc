#include <gmock/gmock.h>

#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ReadTest, ReadsValuesIntoTheMessage) {
  const Parsed parsed = FromJson(R"({"model":{"baseModel":"tiny","precision":"bf16"},
    "method":{"type":"qlora","loraConfig":{"rank":16,"alpha":32.5,"rankPattern":{"q_proj":4}}},
    "datasets":{"shuffle":false},"optimizations":{"enabled":["fused_kernels"]},
    "tools":[{"name":"a","parameters":{"type":"object"}}],"seed":1234567890123})");
  EXPECT_THAT(Brief(parsed.findings), IsEmpty());
  const v1::JobConfiguration& configuration = parsed.configuration;
  EXPECT_EQ(configuration.model().precision(), v1::PRECISION_BF16);
  EXPECT_EQ(configuration.method().type(), v1::METHOD_TYPE_QLORA);
  EXPECT_EQ(configuration.method().lora_config().rank(), 16);
  EXPECT_EQ(configuration.method().lora_config().alpha(), 32.5);
  EXPECT_EQ(configuration.method().lora_config().rank_pattern().at("q_proj"), 4);
  EXPECT_TRUE(configuration.datasets().has_shuffle());
  EXPECT_FALSE(configuration.datasets().shuffle());
  EXPECT_FALSE(configuration.datasets().has_train_split());
  EXPECT_EQ(configuration.optimizations().enabled(0), v1::OPTIMIZATION_FUSED_KERNELS);
  EXPECT_EQ(configuration.tools(0).parameters().fields().at("type").string_value(), "object");
  EXPECT_EQ(configuration.seed(), 1234567890123);
}

TEST(ReadTest, NullIsNotSet) {
  const Parsed parsed = FromJson(R"({"datasets":{"validationFileId":null},"seed":null})");
  EXPECT_THAT(Brief(parsed.findings), IsEmpty());
  EXPECT_FALSE(parsed.configuration.datasets().has_validation_file_id());
  EXPECT_FALSE(parsed.configuration.has_seed());
}

TEST(ReadTest, AnAliasReadsAsItsToken) {
  const Parsed parsed = FromJson(R"({"datasets":{"format":"alpaca"}})");
  EXPECT_EQ(ToJson(parsed.configuration), R"({"datasets":{"format":"instruction"}})");
}

TEST(ReadTest, WholeNumbersMayHaveAPoint) {
  const Parsed parsed = FromJson(R"({"schedule":{"epochs":3.0,"batchSize":1e1}})");
  EXPECT_THAT(Brief(parsed.findings), IsEmpty());
  EXPECT_EQ(parsed.configuration.schedule().epochs(), 3);
  EXPECT_EQ(parsed.configuration.schedule().batch_size(), 10);
}

TEST(ReadTest, KeepsSixtyFourBitsExactly) {
  const Parsed parsed = FromJson(R"({"seed":9223372036854775807})");
  EXPECT_THAT(Brief(parsed.findings), IsEmpty());
  EXPECT_EQ(ToJson(parsed.configuration), R"({"seed":9223372036854775807})");
  EXPECT_THAT(Brief(FromJson(R"({"seed":9223372036854775808})").findings),
              ElementsAre("error seed out_of_range"));
}

TEST(ReadTest, FindsDuplicateKeysInEachObjectAlone) {
  const Parsed parsed = FromJson(
      R"({"metadata":{"list":[{"a":1},{"a":2,"b":{"a":1}}],"a":1,"a":2},"seed":1,"seed":1})");
  EXPECT_THAT(Brief(parsed.findings),
              ElementsAre("error metadata.a duplicate_key", "error seed duplicate_key"));
}

TEST(ReadTest, AllowsTheDeepestNestingAndNoDeeper) {
  const auto nested = [](int levels) {
    std::string text = R"({"metadata":)";
    for (int i = 1; i < levels; ++i) {
      text += i % 2 == 0 ? "[" : R"({"a":)";
    }
    text += "1";
    for (int i = levels - 1; i >= 1; --i) {
      text += i % 2 == 0 ? "]" : "}";
    }
    return text + R"(,"seed":1})";
  };
  EXPECT_THAT(Brief(FromJson(nested(kMaxDepth)).findings), IsEmpty());
  const Parsed deeper = FromJson(nested(kMaxDepth + 1));
  ASSERT_EQ(deeper.findings.size(), 1U);
  EXPECT_EQ(deeper.findings[0].code, "too_deep");
  EXPECT_EQ(FromJson(nested(10000)).findings.size(), 1U);
}

TEST(ReadTest, RefusesTextThatIsTooLong) {
  const std::string text(kMaxTextBytes + 1, ' ');
  EXPECT_THAT(Brief(FromJson(text).findings), ElementsAre("error  too_large"));
  EXPECT_THAT(Brief(FromYaml(text).findings), ElementsAre("error  too_large"));
}

TEST(ReadTest, SyntaxErrorsSayWhereAndShowNoText) {
  const Parsed parsed =
      FromJson("{\n \"integrations\": {\"wandb\": {\"apiKey\": \"hunter2\" \"x\"}}}");
  ASSERT_EQ(parsed.findings.size(), 1U);
  EXPECT_EQ(parsed.findings[0].path, "line 2");
  EXPECT_EQ(parsed.findings[0].code, "syntax_error");
  EXPECT_THAT(parsed.findings[0].message, HasSubstr("column"));
  EXPECT_EQ(parsed.findings[0].message.find("hunter2"), std::string::npos);
  EXPECT_THAT(Brief(FromJson("").findings), ElementsAre("error line 1 syntax_error"));
  EXPECT_THAT(Brief(FromJson("{\"seed\":1e999}").findings).size(), 1U);
  EXPECT_THAT(Brief(FromJson("{\"a\":\"\xff\"}").findings),
              ElementsAre("error line 1 syntax_error"));
}

TEST(ReadTest, UnknownKeysNameTheNearestOrThePlaceOfTheSameName) {
  const auto message = [](const char* text) { return FromJson(text).findings.at(0).message; };
  EXPECT_THAT(message(R"({"schedule":{"epoch":1}})"), HasSubstr("did you mean `epochs`?"));
  EXPECT_THAT(message(R"({"learning_rate":1})"), HasSubstr("`optimizer.learningRate`?"));
  EXPECT_THAT(message(R"({"hardware":{"numGpus":1}})"), HasSubstr("`numGPUs`?"));
  EXPECT_THAT(message(R"({"n_epochs":1})"), HasSubstr("`schedule.epochs`?"));
  EXPECT_THAT(message(R"({"base_model":1})"), HasSubstr("`model.baseModel`?"));
  EXPECT_THAT(message(R"({"method":{"loraConfig":{"lora_rank":1}}})"), HasSubstr("`rank`?"));
  EXPECT_EQ(message(R"({"qqqqqqqq":1})"), "no parameter of this name");
}

TEST(ReadTest, AllFindingsSayNothingTwice) {
  const auto all = [](const char* text) { return Brief(AllFindings(FromJson(text))); };
  EXPECT_THAT(all("{"), ElementsAre("error line 1 syntax_error"));
  EXPECT_THAT(all("[]"), ElementsAre("error  wrong_type"));
  EXPECT_THAT(all(R"({"model":{"baseModel":7},"datasets":3})"),
              ElementsAre("error model.baseModel wrong_type", "error datasets wrong_type"));
  EXPECT_THAT(all(R"({"model":{"x":7},"datasets":{"trainingFileId":"a"},"seed":-1})"),
              ElementsAre("error model.x unknown_key", "error seed out_of_range",
                          "error model.baseModel required"));
}

TEST(ReadTest, EverythingElseIsStillRead) {
  const Parsed parsed = FromJson(R"({"seed":"x","model":{"baseModel":"tiny","x":1}})");
  EXPECT_EQ(parsed.findings.size(), 2U);
  EXPECT_EQ(parsed.configuration.model().base_model(), "tiny");
}

}  // namespace
}  // namespace lathe::schema
