#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/estimator/estimate.h"

namespace lathe::estimator {
namespace {

ModelShape Llama3_8B() {
  return {.architecture = "llama",
          .vocabulary = 128256,
          .hidden = 4096,
          .layers = 32,
          .heads = 32,
          .kv_heads = 8,
          .head_dim = 128,
          .intermediate = 14336,
          .context = 8192,
          .tied_embeddings = false};
}

ModelShape SmolLM2() {
  return {.architecture = "llama",
          .vocabulary = 49152,
          .hidden = 576,
          .layers = 30,
          .heads = 9,
          .kv_heads = 3,
          .head_dim = 64,
          .intermediate = 1536,
          .context = 8192,
          .tied_embeddings = true};
}

Workload Rows(double count, double tokens) {
  Workload workload;
  workload.sequence_length = 2048;
  workload.data = {.examples = static_cast<std::int64_t>(count),
                   .mean_tokens = tokens,
                   .longest_tokens = tokens};
  return workload;
}

TEST(Shape, CountsThePublishedParameters) {
  EXPECT_EQ(Parameters(Llama3_8B()), 8030261248);
  EXPECT_EQ(Parameters(SmolLM2()), 134515008);
}

TEST(Memory, LoraTrainsAFractionOfAPercent) {
  const MethodSettings lora{.method = Method::kLora, .rank = 16};
  // 16 * (in + out) of each of the seven linear layers, 32 times: as PEFT counts.
  EXPECT_EQ(TrainableParameters(Llama3_8B(), lora), 41943040);
  const MethodSettings attention{.method = Method::kLora, .rank = 16, .modules = {"q_proj"}};
  EXPECT_EQ(TrainableParameters(Llama3_8B(), attention), 16.0 * 8192 * 32);
  EXPECT_EQ(TrainableParameters(Llama3_8B(), {.method = Method::kFull}), 8030261248);
}

TEST(Memory, ASecondOrderOfFrozenWeightsIsCountedWhereItIsAffordable) {
  Workload workload = Rows(100, 128);
  workload.bytes_per_value = 2;
  Machine machine{.memory_bytes = 64e9};
  const double linear = 2.0 * static_cast<double>(LinearParameters(SmolLM2()));
  const double once = EstimateMemory(SmolLM2(), workload, machine).weights;
  machine.packs_bf16_weights = true;
  EXPECT_DOUBLE_EQ(EstimateMemory(SmolLM2(), workload, machine).weights, once + linear);
  machine.memory_bytes = 7.9 * linear;
  EXPECT_DOUBLE_EQ(EstimateMemory(SmolLM2(), workload, machine).weights, once);
  machine.memory_bytes = 64e9;
  workload.method.method = Method::kFull;
  const double trained = EstimateMemory(SmolLM2(), workload, machine).weights;
  machine.packs_bf16_weights = false;
  EXPECT_DOUBLE_EQ(EstimateMemory(SmolLM2(), workload, machine).weights, trained);
}

TEST(Memory, QloraStoresFourBitsAndAnEighth) {
  Workload workload = Rows(100, 512);
  workload.bytes_per_value = 2;
  workload.method.method = Method::kQlora;
  const double linear = static_cast<double>(LinearParameters(Llama3_8B()));
  const double rest = static_cast<double>(Parameters(Llama3_8B())) - linear;
  const auto memory = EstimateMemory(Llama3_8B(), workload, {});
  EXPECT_NEAR((memory.weights - rest * 2) * 8 / linear, 4.127, 0.001);
  workload.method.double_quantization = false;
  EXPECT_NEAR((EstimateMemory(Llama3_8B(), workload, {}).weights - rest * 2) * 8 / linear, 4.5,
              0.001);
}

TEST(Memory, FullFineTuningHoldsFourCopiesInFp32) {
  Workload workload = Rows(100, 64);
  workload.method.method = Method::kFull;
  const auto memory = EstimateMemory(SmolLM2(), workload, {});
  EXPECT_EQ(memory.weights, 0) << "the values that are trained are the ones computed with";
  EXPECT_EQ(memory.trainable + memory.gradients + memory.optimizer, 16.0 * 134515008);
}

TEST(Memory, CheckpointingKeepsOneInputALayer) {
  Workload workload = Rows(100, 512);
  const auto whole = EstimateMemory(SmolLM2(), workload, {});
  workload.gradient_checkpointing = true;
  const auto recomputed = EstimateMemory(SmolLM2(), workload, {});
  EXPECT_LT(recomputed.activations, whole.activations / 5);
  EXPECT_GT(recomputed.activations, 30.0 * 576 * 4 * 512 * 4);
}

TEST(Memory, TheLargestMicroBatchCounts) {
  Workload workload = Rows(100, 100);
  EXPECT_EQ(LargestMicroBatch(workload), 400);
  workload.preference = true;
  EXPECT_EQ(LargestMicroBatch(workload), 800);
  workload.preference = false;
  workload.packing = true;
  EXPECT_EQ(LargestMicroBatch(workload), 4 * 2048);
}

TEST(Memory, AGpuHoldsMoreLogitsAndNoAttentionProbabilities) {
  Workload workload = Rows(100, 256);
  workload.bytes_per_value = 2;
  const Machine gpu{.gpu = true};
  const auto here = EstimateMemory(SmolLM2(), workload, {});
  const auto there = EstimateMemory(SmolLM2(), workload, gpu);
  // 9 heads, 30 layers, 4 x 256 tokens, 2 bytes, and what the allocator adds.
  EXPECT_NEAR(here.activations - there.activations, 9.0 * 256 * 30 * 1024 * 2 * 1.15, 1);
  workload.bytes_per_value = 4;
  EXPECT_EQ(EstimateMemory(SmolLM2(), workload, gpu).activations,
            EstimateMemory(SmolLM2(), workload, {}).activations);
  EXPECT_NEAR(EstimateMemory(SmolLM2(), workload, gpu).working -
                  EstimateMemory(SmolLM2(), workload, {}).working,
              (1024.0 * 49152 - (1 << 25)) * 4 * 1.15, 1)
      << "all logits of 1024 tokens, instead of the part that a CPU holds";
}

TEST(Memory, AQuantisedWeightIsThereOnceAsItIsMultipliedWith) {
  Workload workload = Rows(100, 64);
  workload.bytes_per_value = 2;
  const double plain = EstimateMemory(Llama3_8B(), workload, {}).working;
  workload.method.method = Method::kQlora;
  EXPECT_NEAR(EstimateMemory(Llama3_8B(), workload, {}).working - plain,
              2.0 * 14336 * 4096 * 2 * 1.15, 1);
}

TEST(Time, AgreesWithAPublishedRunOfAnEightBillionModel) {
  // NVIDIA NeMo Automodel: LoRA r 16, 4,096 tokens a sequence, one H100, 402 model TFLOP/s by the
  // same count of FLOPs: 12,473 tokens/s.
  Workload workload = Rows(1000, 4096);
  workload.bytes_per_value = 2;
  workload.method.rank = 16;
  workload.sequence_length = 4096;
  const Machine machine{.gpu = true, .matmul_flops = 402e12, .efficiency = 1};
  EXPECT_NEAR(MakeEstimate(Llama3_8B(), workload, machine).time.tokens_per_second, 12473, 900);
}

TEST(Time, CountsStepsOfEpochsAndTheLimit) {
  Workload workload = Rows(10, 100);
  workload.batch_size = 2;
  workload.gradient_accumulation = 2;
  workload.epochs = 3;
  const Machine machine{.matmul_flops = 1e12};
  const auto three_epochs = MakeEstimate(SmolLM2(), workload, machine).time;
  EXPECT_EQ(three_epochs.steps, 9) << "3 steps an epoch, the last one smaller";
  EXPECT_EQ(three_epochs.tokens, 3 * 10 * 100);
  workload.max_steps = 5;
  EXPECT_EQ(MakeEstimate(SmolLM2(), workload, machine).time.steps, 5);
}

TEST(Time, MoreWorkTakesLonger) {
  const Machine machine{.matmul_flops = 1e12};
  const auto speed = [&](const Workload& workload) {
    return MakeEstimate(SmolLM2(), workload, machine).time.tokens_per_second;
  };
  const Workload lora = Rows(10, 100);
  Workload changed = lora;
  changed.gradient_checkpointing = true;
  EXPECT_LT(speed(changed), speed(lora));
  changed = lora;
  changed.method.method = Method::kFull;
  EXPECT_LT(speed(changed), speed(lora));
  changed = lora;
  changed.data.target_share = 0.2;
  EXPECT_GT(speed(changed), speed(lora)) << "the head is computed for target tokens alone";
}

TEST(Estimate, SaysWhatWouldFit) {
  Workload workload = Rows(1000, 2048);
  workload.bytes_per_value = 2;
  workload.method.method = Method::kFull;
  const Machine card{.name = "16 GB", .gpu = true, .memory_bytes = 16e9, .matmul_flops = 1e14};
  const Estimate estimate = MakeEstimate(Llama3_8B(), workload, card);
  EXPECT_FALSE(estimate.fits);
  ASSERT_FALSE(estimate.remedies.empty());
  EXPECT_THAT(estimate.remedies.back(), testing::HasSubstr("qlora"));
  EXPECT_THAT(estimate.remedies, testing::Not(testing::Contains(testing::HasSubstr("type lora"))))
      << "LoRA on a 16-bit base of this size needs more than 16 GB";
  const Machine large{.memory_bytes = 1e12, .matmul_flops = 1e14, .price_per_hour = 2.0};
  const Estimate roomy = MakeEstimate(Llama3_8B(), workload, large);
  EXPECT_TRUE(roomy.fits);
  EXPECT_TRUE(roomy.remedies.empty());
  EXPECT_NEAR(roomy.cost.value(), roomy.time.total_seconds / 1800, 1e-9);
}

TEST(MachineTest, GpusAreKnownByTheirNames) {
  EXPECT_NEAR(GpuMatmulFlops("NVIDIA H100 80GB HBM3", 2).value(), 692e12, 1e12);
  EXPECT_GT(GpuMatmulFlops("NVIDIA H200", 2).value(), GpuMatmulFlops("NVIDIA L4", 2).value());
  EXPECT_LT(GpuMatmulFlops("NVIDIA H200", 4).value(), GpuMatmulFlops("NVIDIA H200", 2).value());
  EXPECT_EQ(GpuMatmulFlops("Some other card", 2), std::nullopt);
}

}  // namespace
}  // namespace lathe::estimator
