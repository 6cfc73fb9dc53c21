#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>

#include "common/schema/parameters.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using google::protobuf::util::MessageDifferencer;
using testing::HasSubstr;
using testing::Not;

v1::JobConfiguration Full() {
  return FromJson(FileText(SourceFolder() / "tests/golden/configurations/good/full.json"))
      .configuration;
}

TEST(WriteTest, WritesOnlyWhatIsSet) {
  EXPECT_EQ(ToJson({}), "{}");
  v1::JobConfiguration configuration;
  configuration.mutable_hardware()->set_num_gpus(0);
  configuration.mutable_method();
  EXPECT_EQ(ToJson(configuration), R"({"method":{},"hardware":{"numGPUs":0}})");
}

TEST(WriteTest, RoundTripsEveryParameter) {
  const v1::JobConfiguration full = Full();
  const Parsed again = FromJson(ToJson(full));
  EXPECT_TRUE(again.findings.empty());
  EXPECT_TRUE(MessageDifferencer::Equals(full, again.configuration));
  EXPECT_EQ(ToJson(full), ToJson(again.configuration));
}

TEST(WriteTest, RoundTripsThroughTheWireFormat) {
  v1::JobConfiguration again;
  ASSERT_TRUE(again.ParseFromString(Full().SerializeAsString()));
  EXPECT_EQ(ToJson(again), ToJson(Full()));
}

TEST(WriteTest, TheOrderOfMapsDoesNotMatter) {
  const auto json = [](const char* pattern) {
    return ToJson(FromJson(R"({"method":{"loraConfig":{"rankPattern":)" + std::string(pattern) +
                           R"(}},"metadata":)" + pattern + "}")
                      .configuration);
  };
  EXPECT_EQ(json(R"({"a":1,"b":2,"c":3})"), json(R"({"c":3,"a":1,"b":2})"));
}

TEST(WriteTest, NumbersAreShortAndExact) {
  const Parsed parsed =
      FromJson(R"({"metadata":{"a":0.1,"b":1e-5,"c":16.0,"d":1e300,"e":-0.25,"f":1e15}})");
  EXPECT_EQ(ToJson(parsed.configuration),
            R"({"metadata":{"a":0.1,"b":1e-05,"c":16,"d":1e+300,"e":-0.25,"f":1000000000000000}})");
}

TEST(WriteTest, TextIsEscaped) {
  v1::JobConfiguration configuration;
  configuration.mutable_tokenizer()->set_chat_template("a\"b\\c\n\x01 \xe2\x82\xac");
  const std::string json = ToJson(configuration);
  EXPECT_EQ(json, "{\"tokenizer\":{\"chatTemplate\":\"a\\\"b\\\\c\\n\\u0001 \xe2\x82\xac\"}}");
  EXPECT_EQ(FromJson(json).configuration.tokenizer().chat_template(),
            configuration.tokenizer().chat_template());
}

TEST(WriteTest, SecretsAreNeverInRedactedOutput) {
  v1::JobConfiguration configuration = Valid();
  int secrets = 0;
  for (const Parameter& parameter : ParameterPaths()) {
    if (parameter.spec->secret()) {
      ++secrets;
      ASSERT_TRUE(Set(configuration, parameter.path + "=hunter2").has_value());
    }
  }
  ASSERT_GT(secrets, 0);
  EXPECT_THAT(ToJson(configuration), HasSubstr("hunter2"));
  EXPECT_THAT(ToJson(configuration, Secrets::kRedact), Not(HasSubstr("hunter2")));
  EXPECT_THAT(ToJson(configuration, Secrets::kRedact), HasSubstr(std::string(kRedacted)));
  for (const ResolvedValue& value : Explain(configuration)) {
    EXPECT_THAT(value.value, Not(HasSubstr("hunter2"))) << value.path;
  }
}

TEST(WriteTest, SecretsAreNeverInFindings) {
  for (const char* text :
       {R"({"integrations":{"wandb":{"apiKey":["hunter2"]}}})",
        R"({"integrations":{"wandb":{"apiKey":{"x":"hunter2"}}}})",
        R"({"integrations":{"wandb":{"apikey":"hunter2"}}})",
        R"({"integrations":{"wandb":"hunter2"}})", R"({"integrations":["hunter2"]})",
        R"({"integrations":{"huggingface":{"apiToken":"hunter2"},"x":1}})",
        R"({"integrations":{"wandb":{"apiKey":"hunter2","apiKey":"hunter2"}}})"}) {
    Parsed parsed = FromJson(text);
    EXPECT_FALSE(parsed.findings.empty());
    for (const Finding& finding : Validate(parsed.configuration)) {
      parsed.findings.push_back(finding);
    }
    for (const Finding& finding : parsed.findings) {
      EXPECT_THAT(finding.path + finding.message + finding.given + finding.expected,
                  Not(HasSubstr("hunter2")));
    }
  }
}

}  // namespace
}  // namespace lathe::schema
