#include "worker/trainer/plan/parameter_defaults.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace lathe::trainer::plan {
namespace {

/// Beside the C library, which rounds exactly.
#define EXPECT_NUMBER(text) EXPECT_EQ(NumberOf(text), std::strtod(text, nullptr))

TEST(ParameterDefaults, NumbersAreReadToTheLastBit) {
  EXPECT_NUMBER("0");
  EXPECT_NUMBER("2048");
  EXPECT_NUMBER("0.1");
  EXPECT_NUMBER("0.999");
  EXPECT_NUMBER("1e-5");
  EXPECT_NUMBER("1e-08");
  EXPECT_NUMBER("1.25e3");
  EXPECT_NUMBER("3e+2");
  EXPECT_NUMBER("0.30000000000001");
}

TEST(ParameterDefaults, AreThoseOfTheTable) {
  static_assert(DefaultNumber("optimizer.beta1") > 0);
  EXPECT_EQ(std::to_string(DefaultInteger("seed")), FindParameter("seed")->default_json);
  EXPECT_EQ(DefaultFlag("datasets.shuffle"),
            FindParameter("datasets.shuffle")->default_json == "true");
}

}  // namespace
}  // namespace lathe::trainer::plan
