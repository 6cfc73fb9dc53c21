#include "common/schema/values.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <limits>

#include "common/schema/parameters.h"
#include "lathe/v1/inference_service.pb.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

v1::GenerateRequest Asked() {
  v1::GenerateRequest request;
  request.add_messages()->set_content("Hello");
  return request;
}

/// The limits as they were specified, apart from the options that state them.
struct Specified {
  const char* path;
  const char* limits;
  const char* default_value;
};

constexpr Specified kSpecified[] = {
    {"messages", "1 to 1000 values", ""},
    {"maxTokens", "1 to 32768", "256"},
    {"temperature", "0 to 100", "0"},
    {"topP", "> 0 to 1", "1"},
    {"seed", ">= 0", "42"},
    {"topK", "0 to 16777216", "0"},
    {"repetitionPenalty", "0.01 to 100", "1"},
    {"stop", "at most 16 values, each of 1 to 256 bytes, none of them 0", ""},
    {"composition", "", ""},
};
constexpr Specified kSpecifiedOfCompositions[] = {
    {"method", "", ""},
    {"adapters", "1 to 32 values", ""},
    {"adapters[].weight", "-100 to 100", "1"},
    {"adapters[].weights", "-100 to 100, at most 1024 values", ""},
    {"adapters[].headWeight", "-100 to 100", "1"},
};

TEST(ValuesTest, ACallsParametersAreAsSpecifiedAndFullyDescribed) {
  const auto parameters = ParametersOf(*v1::GenerateRequest::descriptor());
  ASSERT_EQ(parameters.size(), std::size(kSpecified));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const v1::ParameterSpec& spec = *parameters[i].spec;
    EXPECT_EQ(parameters[i].path, kSpecified[i].path);
    EXPECT_EQ(LimitsText(spec), kSpecified[i].limits) << parameters[i].path;
    EXPECT_EQ(spec.default_value(), kSpecified[i].default_value) << parameters[i].path;
    EXPECT_FALSE(spec.label().empty()) << parameters[i].path;
    EXPECT_GE(spec.help().size(), 20U) << parameters[i].path;
    EXPECT_TRUE(parameters[i].field->is_repeated() || parameters[i].field->has_presence());
  }
  EXPECT_EQ(OptionName(parameters[6]), "--repetition-penalty");
}

TEST(ValuesTest, ACompositionsParametersAreAsSpecifiedAndFullyDescribed) {
  const auto parameters =
      ParametersIn(*v1::GenerateRequest::descriptor()->FindFieldByName("composition"));
  ASSERT_EQ(parameters.size(), std::size(kSpecifiedOfCompositions));
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const v1::ParameterSpec& spec = *parameters[i].spec;
    EXPECT_EQ(parameters[i].path, kSpecifiedOfCompositions[i].path);
    EXPECT_EQ(LimitsText(spec), kSpecifiedOfCompositions[i].limits) << parameters[i].path;
    EXPECT_EQ(spec.default_value(), kSpecifiedOfCompositions[i].default_value);
    EXPECT_FALSE(spec.label().empty()) << parameters[i].path;
    EXPECT_GE(spec.help().size(), 20U) << parameters[i].path;
  }
  EXPECT_THAT(parameters[0].tokens, ElementsAre("additive", "gated", "sequential"));
}

TEST(ValuesTest, EverythingWrongInACompositionIsFoundAtOnce) {
  v1::GenerateRequest request = Asked();
  v1::Composition& composition = *request.mutable_composition();
  EXPECT_THAT(Brief(CheckValues(request)), ElementsAre("error composition.adapters out_of_range"));
  composition.set_method(v1::COMPOSITION_METHOD_UNSPECIFIED);
  composition.add_adapters()->set_weight(100);
  composition.add_adapters()->set_weight(100.1);
  composition.add_adapters()->set_weight(std::numeric_limits<double>::quiet_NaN());
  v1::ComposedAdapter& gated = *composition.add_adapters();
  for (const double weight : {0.5, -100.0, -101.0}) gated.add_weights(weight);
  gated.add_weights(-std::numeric_limits<double>::infinity());
  gated.set_head_weight(1e9);
  const auto findings = CheckValues(request);
  EXPECT_THAT(Brief(findings),
              ElementsAre("error composition.method unknown_token",
                          "error composition.adapters[1].weight out_of_range",
                          "error composition.adapters[2].weight not_finite",
                          "error composition.adapters[3].weights[2] out_of_range",
                          "error composition.adapters[3].weights[3] not_finite",
                          "error composition.adapters[3].headWeight out_of_range"));
  ASSERT_EQ(findings.size(), 6U);
  EXPECT_EQ(findings[1].given, "100.1");
  EXPECT_EQ(findings[1].expected, "-100 to 100");
  EXPECT_EQ(findings[3].given, "-101");
  EXPECT_EQ(findings[4].given, "null");
  for (int i = 0; i < 1024; ++i) gated.add_weights(1e9);
  ASSERT_EQ(CheckValues(request).size(), 5U);
  EXPECT_EQ(Brief(CheckValues(request))[3], "error composition.adapters[3].weights out_of_range")
      << "one finding of them all";
  for (int i = 0; i < 32; ++i) composition.add_adapters();
  EXPECT_THAT(Brief(CheckValues(request)), ElementsAre("error composition.method unknown_token",
                                                       "error composition.adapters out_of_range"));
}

TEST(ValuesTest, WhatIsNotSetIsFine) {
  EXPECT_THAT(CheckValues(Asked()), IsEmpty());
}

TEST(ValuesTest, BelowAtAndAboveEachBoundOfACall) {
  for (const Parameter& parameter : ParametersOf(*v1::GenerateRequest::descriptor())) {
    const v1::ParameterSpec& spec = *parameter.spec;
    const bool whole = parameter.type == ParameterType::kInteger;
    const auto refused = [&](double value) {
      v1::GenerateRequest request = Asked();
      const auto& reflection = *request.GetReflection();
      if (!whole) {
        reflection.SetDouble(&request, parameter.field, value);
      } else if (parameter.field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_INT32) {
        reflection.SetInt32(&request, parameter.field, static_cast<std::int32_t>(value));
      } else {
        reflection.SetInt64(&request, parameter.field, static_cast<std::int64_t>(value));
      }
      const auto findings = CheckValues(request);
      if (findings.empty()) return false;
      EXPECT_THAT(Brief(findings), ElementsAre("error " + parameter.path + " out_of_range"));
      EXPECT_EQ(findings[0].expected, RangeText(spec));
      return true;
    };
    const double step = whole ? 1 : 1e-6;
    SCOPED_TRACE(parameter.path);
    if (spec.has_min()) {
      EXPECT_TRUE(refused(spec.min() - step));
      EXPECT_EQ(refused(spec.min()), spec.exclusive_min());
      EXPECT_FALSE(refused(spec.min() + step));
    }
    if (spec.has_max()) {
      EXPECT_FALSE(refused(spec.max()));
      EXPECT_TRUE(refused(spec.max() + step));
    }
  }
}

TEST(ValuesTest, EverythingWrongIsFoundAtOnce) {
  v1::GenerateRequest request;
  request.set_max_tokens(0);
  request.set_temperature(std::numeric_limits<double>::quiet_NaN());
  request.set_seed(-1);
  request.add_stop("fine");
  request.add_stop("");
  request.add_stop(std::string(256, 'x'));
  request.add_stop(std::string(257, 'x'));
  request.add_stop(std::string("a\0b", 3));
  const auto findings = CheckValues(request);
  EXPECT_THAT(Brief(findings),
              ElementsAre("error messages out_of_range", "error maxTokens out_of_range",
                          "error temperature not_finite", "error seed out_of_range",
                          "error stop[1] out_of_range", "error stop[3] out_of_range",
                          "error stop[4] out_of_range"));
  EXPECT_EQ(findings[0].expected, "1 to 1000 values");
  EXPECT_EQ(findings[1].given, "0");
  EXPECT_EQ(findings[4].expected, "1 to 256 bytes, none of them 0");
}

TEST(ValuesTest, AListThatIsTooLongIsOneFinding) {
  v1::GenerateRequest request = Asked();
  for (int i = 0; i < 16; ++i) request.add_stop("x");
  EXPECT_THAT(CheckValues(request), IsEmpty());
  request.add_stop("");
  EXPECT_THAT(Brief(CheckValues(request)), ElementsAre("error stop out_of_range"));
}

TEST(ValuesTest, DefaultsAreFilledInBesideWhatIsGiven) {
  v1::GenerateRequest request = Asked();
  request.set_temperature(0.7);
  request.set_top_k(0);
  FillDefaults(request);
  EXPECT_EQ(request.temperature(), 0.7);
  EXPECT_EQ(request.top_k(), 0);
  EXPECT_EQ(request.max_tokens(), 256);
  EXPECT_EQ(request.top_p(), 1);
  EXPECT_EQ(request.seed(), 42);
  EXPECT_TRUE(request.has_repetition_penalty());
  EXPECT_EQ(request.messages_size(), 1);
}

}  // namespace
}  // namespace lathe::schema
