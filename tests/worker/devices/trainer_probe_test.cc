// What a worker learns from the real trainer program.

#include "worker/devices/trainer_probe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "common/base/file_io.h"

namespace lathe::worker::devices {
namespace {

TrainerProbe Probe(bool cancelled = false) {
  return {.trainer = std::filesystem::path(std::getenv("LATHE_BINARY_DIR")) / "lathe-trainer",
          .cancelled = [cancelled] { return cancelled; }};
}

std::filesystem::path Golden(const char* name) {
  return std::filesystem::path(std::getenv("LATHE_SOURCE_DIR")) / "tests/golden" / name;
}

TEST(TrainerProbe, AModelsShape) {
  const auto shape = ProbeModel(Probe(), "tiny", Golden("models/llama_tiny"));
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->name(), "tiny");
  EXPECT_GT(shape->layers(), 0);
  EXPECT_EQ(shape->bytes_per_token(), 0) << "no tokenizer lies beside it";
  EXPECT_FALSE(ProbeModel(Probe(), "none", "/no/such/model"));
}

TEST(TrainerProbe, TheSpeedOfProductsAndOfSteps) {
  auto speed = ProbeSpeed(Probe(), "cpu");
  ASSERT_TRUE(speed) << speed.error().message;
  EXPECT_GT(speed->fp32_flops(), 1e6);
  EXPECT_GT(speed->process_bytes(), 1000000U);
  EXPECT_EQ(speed->fp32_step_flops(), 0);
  const auto processor = ReadFile("/proc/cpuinfo");
  ASSERT_TRUE(processor) << processor.error().message;
  EXPECT_EQ(speed->packs_bf16_weights(), processor->find("amx_bf16") != std::string::npos)
      << "kept where there are matrix units";
  const Status steps = ProbeSteps(Probe(), "cpu", Golden("models/llama_tiny"), *speed);
  ASSERT_TRUE(steps) << steps.error().message;
  EXPECT_GT(speed->fp32_step_flops(), 0);
  EXPECT_GT(speed->bf16_step_flops(), 0);
}

TEST(TrainerProbe, WhatTheTrainerCanDo) {
  const auto told = ProbeCapabilities(Probe());
  ASSERT_TRUE(told) << told.error().message;
  bool lora = false;
  for (const auto& row : told->accepted()) {
    lora =
        lora || (row.path() == "method.type" && row.device() == "cpu" &&
                 std::find(row.values().begin(), row.values().end(), "lora") != row.values().end());
  }
  EXPECT_TRUE(lora);
  EXPECT_TRUE(told->without_effect().contains("tokenizer.name"));
}

TEST(TrainerProbe, StopsWhenItIsCancelled) {
  EXPECT_EQ(ProbeCapabilities(Probe(true)).error().code, ErrorCode::kAborted);
}

}  // namespace
}  // namespace lathe::worker::devices
