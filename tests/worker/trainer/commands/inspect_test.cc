// inspect, estimate and bench: the program tells what is in files, what a plan will need and what
// the machine can do.

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "tests/worker/trainer/commands/trainer_fixture.h"
#include "worker/trainer/commands/bench.h"
#include "worker/trainer/commands/bench_step.h"
#include "worker/trainer/commands/estimate.h"
#include "worker/trainer/commands/inspect.h"
#include "worker/trainer_protocol/trainer_protocol.h"

namespace lathe::trainer::commands {
namespace {

class Inspect : public TrainerFixture {
 protected:
  static Json Told(const std::filesystem::path& path, bool tensors = false) {
    std::ostringstream out;
    EXPECT_EQ(RunInspect({.path = path, .json = true, .tensors = tensors}, out), 0);
    return Json::parse(out.str());
  }
};

TEST_F(Inspect, AModelFolder) {
  const Json told = Told(parity::Golden("models/llama_tiny"), true);
  EXPECT_EQ(told["kind"], "model");
  EXPECT_EQ(told["model"]["hidden"], 64);
  EXPECT_EQ(told["model"]["layers"], 2);
  EXPECT_EQ(told["model"]["tiedEmbeddings"], true);
  EXPECT_EQ(told["tensors"]["count"], told["tensors"]["each"].size());
  EXPECT_EQ(told["tensors"]["dtypes"]["F32"], told["tensors"]["count"]);
  std::int64_t elements = 0;
  for (const Json& tensor : told["tensors"]["each"]) {
    std::int64_t count = 1;
    for (const Json& size : tensor["shape"]) count *= size.get<std::int64_t>();
    elements += count;
  }
  EXPECT_EQ(told["model"]["parameters"], elements) << "the shape accounts for every weight";
}

TEST_F(Inspect, AnAdapterAndItsFile) {
  ASSERT_EQ(Run(), 0) << errors();
  const Json told = Told(root() / "out/adapter");
  EXPECT_EQ(told["kind"], "adapter");
  EXPECT_EQ(told["description"]["peft_type"], "LORA");
  EXPECT_GT(told["files"]["adapter_model.safetensors"]["count"], 0);
  EXPECT_EQ(Told(root() / "out/adapter/adapter_model.safetensors")["kind"], "tensors");
}

TEST_F(Inspect, WhatIsNothingOfThatIsRefused) {
  std::ostringstream out;
  EXPECT_EQ(RunInspect({.path = root()}, out), trainer_protocol::kExitInvalid);
  EXPECT_EQ(RunInspect({.path = root() / "none.gguf"}, out), trainer_protocol::kExitInvalid);
  EXPECT_EQ(out.str(), "");
}

TEST_F(Inspect, AnEstimateCountsThePlansOwnSteps) {
  Write("plan.json", plan_.dump());
  const auto plan = root() / "plan.json";
  std::ostringstream out;
  ASSERT_EQ(RunEstimate({.plan = plan, .json = true}, out), 0);
  const Json estimate = Json::parse(out.str());
  ASSERT_EQ(Run(), 0) << errors();
  std::int64_t steps = 0;
  std::int64_t memory = 0;
  for (const Json& event : Events()) {
    if (event["type"] != "metric") continue;
    steps = std::max(steps, event["step"].get<std::int64_t>());
    memory = std::max(memory, event["memoryBytes"].get<std::int64_t>());
  }
  EXPECT_EQ(estimate["steps"], steps);
  EXPECT_GT(estimate["memoryBytes"]["total"], memory / 2);
  EXPECT_LT(estimate["memoryBytes"]["total"], memory * 2);
  EXPECT_GT(estimate["tokensPerSecond"], 0);
  std::ostringstream table;
  ASSERT_EQ(RunEstimate({.plan = plan}, table), 0);
  EXPECT_THAT(table.str(), testing::HasSubstr("activations"));
}

TEST_F(Inspect, TheMachineIsMeasured) {
  std::ostringstream out;
  ASSERT_EQ(RunBench({.seconds = 0.05, .json = true}, out), 0);
  const Json told = Json::parse(out.str());
  EXPECT_GT(told["matmulFlops"]["fp32"], 1e8);
  EXPECT_GT(told["matmulFlops"]["bf16"], 1e7);
  std::ostringstream with_model;
  ASSERT_EQ(RunBench({.seconds = 0.05, .model = parity::Golden("models/llama_tiny"), .json = true},
                     with_model),
            0);
  EXPECT_GT(Json::parse(with_model.str())["stepFlops"]["fp32"], 1e3);
  EXPECT_EQ(RunBench({.device = "tpu"}, out), trainer_protocol::kExitInvalid);
}

TEST_F(Inspect, StepsOfAShapeWithoutItsWeights) {
  for (const char* quantization : {"none", "nf4", "int8"}) {
    std::ostringstream out;
    ASSERT_EQ(RunBenchStep({.shape = parity::Golden("models/llama_tiny"),
                            .quantization = quantization,
                            .rank = 4,
                            .sequence_length = 24,
                            .documents = 2,
                            .batch_size = 2,
                            .warmup = 1,
                            .steps = 2,
                            .json = true},
                           out),
              0);
    const Json told = Json::parse(out.str());
    EXPECT_EQ(told["stepSeconds"].size(), 2U);
    EXPECT_GT(told["tokensPerSecond"], 0);
    EXPECT_GT(told["memoryBytes"], 0);
    // Random weights know nothing: every token is about as likely as another.
    const auto vocabulary = told["shape"]["vocabulary"].get<double>();
    EXPECT_NEAR(told["loss"], std::log(vocabulary), 0.5);
  }
}

}  // namespace
}  // namespace lathe::trainer::commands
