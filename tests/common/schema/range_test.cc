#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "common/schema/parameters.h"
#include "common/schema/reflection_internal.h"
#include "tests/common/schema/testing.h"

namespace lathe::schema {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// The bounds and defaults as they were specified, apart from the schema that states them.
struct Specified {
  const char* path;
  double min;
  double max;
  bool exclusive_min;
  const char* default_value;
};

constexpr Specified kSpecified[] = {
    {"datasets.maxSamples", 1, kNone, false, ""},
    {"datasets.trainSplit", 0, 1, false, "0.9"},
    {"datasets.seed", 0, kNone, false, ""},
    {"objective.dpo.beta", 0, kNone, true, "0.1"},
    {"objective.dpo.labelSmoothing", 0, 0.5, false, "0"},
    {"objective.rlhf.groupSize", 2, 64, false, "8"},
    {"objective.rlhf.klCoefficient", 0, kNone, false, "0.04"},
    {"objective.rlhf.sampling.temperature", 0, 2, false, "1"},
    {"objective.rlhf.sampling.topP", 0, 1, true, "1"},
    {"objective.rlhf.sampling.maxTokens", 1, kNone, false, "256"},
    {"method.loraConfig.rank", 1, 256, false, "8"},
    {"method.loraConfig.alpha", 1, 512, false, "16"},
    {"method.loraConfig.dropout", 0, 1, false, "0"},
    {"method.loraConfig.rankPattern", 1, 256, false, ""},
    {"method.loraConfig.alphaPattern", 1, 512, false, ""},
    {"method.quantizationBits", 4, 8, false, "4"},
    {"method.prefixLength", 1, 100, false, "20"},
    {"method.prefixHiddenSize", 1, kNone, false, ""},
    {"method.adapterSize", 1, 4096, false, "64"},
    {"schedule.epochs", 1, 100, false, "3"},
    {"schedule.maxSteps", 1, kNone, false, ""},
    {"schedule.batchSize", 1, 64, false, "4"},
    {"schedule.sequenceLength", 512, 33000, false, "2048"},
    {"schedule.gradientAccumulation", 1, 16, false, "1"},
    {"schedule.checkpoints", 0, 10, false, "1"},
    {"schedule.evaluations", 0, 20, false, "1"},
    {"schedule.saveSteps", 1, kNone, false, ""},
    {"schedule.saveTotalLimit", 1, kNone, false, ""},
    {"schedule.evalSteps", 1, kNone, false, ""},
    {"schedule.earlyStoppingPatience", 1, kNone, false, ""},
    {"schedule.earlyStoppingThreshold", 0, kNone, false, "0"},
    {"optimizer.learningRate", 0, 1, true, "1e-5"},
    {"optimizer.scheduler.minLRRatio", 0, 1, false, "0"},
    {"optimizer.scheduler.warmupRatio", 0, 1, false, "0"},
    {"optimizer.scheduler.warmupSteps", 0, kNone, false, ""},
    {"optimizer.scheduler.cycles", 0.1, 2.0, false, "0.5"},
    {"optimizer.weightDecay", 0, 1, false, "0"},
    {"optimizer.maxGradientNorm", 0, 10, false, "1"},
    {"optimizer.beta1", 0, 1, false, "0.9"},
    {"optimizer.beta2", 0, 1, false, "0.999"},
    {"optimizer.epsilon", 0, kNone, true, "1e-8"},
    {"hardware.numGPUs", 1, kNone, false, "1"},
    {"hardware.numNodes", 1, kNone, false, "1"},
    {"hardware.minMemoryGiB", 0, kNone, true, ""},
    {"evaluation.evalSteps", 1, kNone, false, ""},
    {"seed", 0, kNone, false, "42"},
};

/// Whether `value` for the parameter draws an out_of_range, every other finding aside.
bool IsOutOfRange(const Parameter& parameter, const std::string& value) {
  const std::string path = parameter.path + (parameter.map ? ".q_proj" : "");
  for (const Finding& finding : Validate(Valid({path + "=" + value}))) {
    if (finding.path == path && finding.code == "out_of_range") {
      EXPECT_EQ(finding.severity, Severity::kError);
      EXPECT_EQ(finding.expected, RangeText(*parameter.spec));
      return true;
    }
  }
  return false;
}

double Step(const Parameter& parameter) {
  return parameter.type == ParameterType::kInteger ? 1 : 1e-6;
}

TEST(RangeTest, EveryBoundIsAsSpecified) {
  std::size_t ranged = 0;
  for (const Parameter& parameter : ParameterPaths()) {
    ranged += parameter.spec->has_min() || parameter.spec->has_max() ? 1 : 0;
  }
  EXPECT_EQ(ranged, std::size(kSpecified)) << "a range is not in this test's table";
  for (const Specified& specified : kSpecified) {
    const Parameter* parameter = FindParameter(specified.path);
    ASSERT_NE(parameter, nullptr) << specified.path;
    const v1::ParameterSpec& spec = *parameter->spec;
    EXPECT_EQ(spec.has_min() ? spec.min() : kNone, specified.min) << specified.path;
    EXPECT_EQ(spec.has_max(), !std::isnan(specified.max)) << specified.path;
    EXPECT_TRUE(!spec.has_max() || spec.max() == specified.max) << specified.path;
    EXPECT_EQ(spec.exclusive_min(), specified.exclusive_min) << specified.path;
    EXPECT_EQ(spec.default_value(), specified.default_value) << specified.path;
  }
}

TEST(RangeTest, BelowAtAndAboveEachBound) {
  for (const Parameter& parameter : ParameterPaths()) {
    const v1::ParameterSpec& spec = *parameter.spec;
    const double step = Step(parameter);
    if (spec.has_min()) {
      SCOPED_TRACE(parameter.path + " at its least");
      EXPECT_TRUE(IsOutOfRange(parameter, JsonNumber(spec.min() - step)));
      EXPECT_EQ(IsOutOfRange(parameter, JsonNumber(spec.min())), spec.exclusive_min());
      if (spec.one_of_size() == 0) {
        EXPECT_FALSE(IsOutOfRange(parameter, JsonNumber(spec.min() + step)));
      }
    }
    if (spec.has_max()) {
      SCOPED_TRACE(parameter.path + " at its most");
      EXPECT_FALSE(IsOutOfRange(parameter, JsonNumber(spec.max())));
      EXPECT_TRUE(IsOutOfRange(parameter, JsonNumber(spec.max() + step)));
    }
  }
}

TEST(RangeTest, OnlyTheListedValuesWhereARangeDoesNotSayItAll) {
  const Parameter& bits = *FindParameter("method.quantizationBits");
  for (int value = 3; value <= 9; ++value) {
    EXPECT_EQ(IsOutOfRange(bits, std::to_string(value)), value != 4 && value != 8) << value;
  }
}

TEST(RangeTest, WarningsBeginBeyondTheirLimitAndNeverBlock) {
  int limits = 0;
  for (const Parameter& parameter : ParameterPaths()) {
    if (!parameter.spec->has_warn_above()) {
      continue;
    }
    ++limits;
    const double limit = parameter.spec->warn_above();
    EXPECT_TRUE(Validate(Valid({parameter.path + "=" + JsonNumber(limit)})).empty());
    const auto findings =
        Validate(Valid({parameter.path + "=" + JsonNumber(limit + Step(parameter))}));
    EXPECT_THAT(Brief(findings),
                testing::ElementsAre("warning " + parameter.path + " unusually_high"));
  }
  EXPECT_EQ(limits, 2);
}

TEST(RangeTest, EveryTokenIsReadAndEveryOtherRefused) {
  for (const Parameter& parameter : ParameterPaths()) {
    if (parameter.type != ParameterType::kEnumeration ||
        parameter.path.find('[') != std::string::npos) {
      continue;
    }
    for (const std::string& token : parameter.tokens) {
      Valid({parameter.path + "=" + token});
    }
    for (const std::string bad : {"nonesuch", "", "unspecified", "TYPE_LORA"}) {
      v1::JobConfiguration configuration;
      const Status status =
          Set(configuration, parameter.path + "=" +
                                 (parameter.repeated ? "[\"" + bad + "\"]" : "\"" + bad + "\""));
      ASSERT_FALSE(status.has_value()) << parameter.path << " takes " << bad;
      const Finding& finding = status.error().findings.front();
      EXPECT_EQ(finding.code, "unknown_token") << parameter.path;
      EXPECT_THAT(finding.expected, testing::HasSubstr(parameter.tokens.back()));
    }
  }
}

TEST(RangeTest, RefusesNumbersThatAreNotFiniteAndTokensThatDoNotExist) {
  v1::JobConfiguration configuration = Valid();
  configuration.mutable_optimizer()->set_weight_decay(kNone);
  configuration.mutable_method()->set_type(static_cast<v1::MethodType>(99));
  configuration.mutable_objective()->set_type(v1::OBJECTIVE_TYPE_UNSPECIFIED);
  EXPECT_THAT(Brief(Validate(configuration)),
              testing::UnorderedElementsAre("error objective.type unknown_token",
                                            "error method.type unknown_token",
                                            "error optimizer.weightDecay not_finite"));
}

TEST(RangeTest, ARankOfZeroSaysWhy) {
  const auto findings = Validate(Valid({"method.loraConfig.rank=0"}));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_THAT(findings[0].message, testing::HasSubstr("rank 0 has no weights"));
}

}  // namespace
}  // namespace lathe::schema
