#include "worker/process/plan_file.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace lathe::worker::process {
namespace {

TEST(PlanFile, SaysAllTheTrainerNeeds) {
  const auto plan = nlohmann::json::parse(PlanText({.job_id = "j",
                                                    .attempt = 2,
                                                    .device = "cuda:0",
                                                    .configuration_json = R"({"seed": 7})",
                                                    .base_model = "/m/tiny.gguf",
                                                    .train = "/c/t",
                                                    .output = "/j/output"})
                                              .value());
  EXPECT_EQ(plan.at("planVersion"), 1);
  EXPECT_EQ(plan.at("configuration").at("seed"), 7);
  EXPECT_EQ(plan.at("paths").at("baseModel"), "/m/tiny.gguf");
  EXPECT_TRUE(plan.at("paths").at("validation").is_null());
  EXPECT_EQ(plan.at("distributed").at("worldSize"), 1);
}

TEST(PlanFile, AConfigurationThatIsNotAnObjectIsRefused) {
  const auto plan = PlanText({.job_id = "j", .configuration_json = "[1"});
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace lathe::worker::process
