#include "coordinator/estimation/estimation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/temp_dir.h"
#include "common/schema/configuration.h"
#include "coordinator/estimation/row_length.h"

namespace lathe::estimation {
namespace {

const estimator::ModelShape kModel{.architecture = "llama",
                                   .vocabulary = 49152,
                                   .hidden = 576,
                                   .layers = 30,
                                   .heads = 9,
                                   .kv_heads = 3,
                                   .head_dim = 64,
                                   .intermediate = 1536,
                                   .context = 2048,
                                   .tied_embeddings = true};

v1::JobConfiguration Resolved(const std::string& json) {
  const schema::Parsed parsed = schema::FromJson(json);
  EXPECT_TRUE(parsed.findings.empty());
  return schema::Resolve(parsed.configuration);
}

DataSample Sample(double examples, double bytes) {
  return {.examples = examples, .exact = true, .mean_bytes = bytes, .longest_bytes = 2 * bytes};
}

domain::NodeDescription CpuNode(double memory) {
  domain::NodeDescription node;
  node.resources.cpu_slots = 2;
  node.resources.memory_bytes = static_cast<std::uint64_t>(memory);
  return node;
}

TEST(DataSamplesTest, CountsLinesThatAreNotBlank) {
  const DataSample whole = SampleLines("{\"a\":1}\n\n  \n{\"a\":23}\n{}", 23);
  EXPECT_EQ(whole.examples, 3);
  EXPECT_EQ(whole.longest_bytes, 8);
  EXPECT_FALSE(SampleLines("aaa\nbbb\ncc", 100).exact);
  EXPECT_EQ(SampleLines("aaa\nbbb\ncc", 80).examples, 20) << "the line that is cut does not count";
  EXPECT_EQ(SampleLines("", 0).examples, 0);
}

TEST(RowLengthTest, CountsWhatIsSaid) {
  const RowLength chat = MeasureRow(
      R"({"messages":[{"role":"user","content":"1234"},{"role":"assistant","content":"12345678"}]})");
  EXPECT_EQ(chat.text_bytes, 12);
  EXPECT_EQ(chat.answer_bytes, 8);
  EXPECT_EQ(chat.messages, 2);
  const RowLength shared =
      MeasureRow(R"({"conversations":[{"from":"human","value":"1"},{"from":"gpt","value":"12"}]})");
  EXPECT_EQ(shared.answer_bytes, 2);
  const RowLength completion = MeasureRow(R"({"prompt":"123","completion":"12345"})");
  EXPECT_EQ(completion.text_bytes, 8);
  EXPECT_EQ(completion.answer_bytes, 5);
  EXPECT_EQ(completion.messages, 0);
  const RowLength pair = MeasureRow(R"({"prompt":"1234","chosen":"12345678","rejected":"12"})");
  EXPECT_EQ(pair.text_bytes, 9) << "the prompt and the mean of both answers";
  EXPECT_EQ(pair.answer_bytes, 5);
  EXPECT_EQ(MeasureRow(R"({"input_ids":[1,2,3],"labels":[1,2,3]})").tokens, 3);
  EXPECT_EQ(MeasureRow("not json").text_bytes, 8);
}

TEST(WorkloadTest, LengthsFollowTheTokenizerOrAreCounted) {
  const auto configuration = Resolved(R"({"datasets": {"trainSplit": 1}})");
  const auto mean = [&](const DataSample& sample, double bytes_per_token) {
    return WorkloadOf(configuration, sample, std::nullopt, bytes_per_token).data.mean_tokens;
  };
  DataSample sample = Sample(10, 300);
  EXPECT_EQ(mean(sample, 3), 100);
  sample.mean_messages = 2;
  EXPECT_EQ(mean(sample, 3), 110);
  sample.mean_tokens = 77;
  EXPECT_EQ(mean(sample, 3), 77);
  EXPECT_EQ(WorkloadOf(configuration, sample, std::nullopt, 3).data.target_share, 1);
  sample = Sample(10, 300);
  sample.answer_share = 0.25;
  EXPECT_EQ(WorkloadOf(configuration, sample, std::nullopt, 3).data.target_share, 0.25);
}

TEST(DataSamplesTest, RemembersABlob) {
  const TempDir dir = TempDir::Create().value();
  const auto blobs = artifacts::BlobStore::Open(dir.path()).value();
  const v1::Blob blob = blobs.PutBytes("{}\n{}\n").value();
  DataSamples samples(blobs);
  EXPECT_EQ(samples.Of(blob.sha256())->examples, 2);
  EXPECT_EQ(samples.Of(blob.sha256())->examples, 2);
  EXPECT_EQ(samples.Of(std::string(64, '0')).error().code, ErrorCode::kNotFound);
}

TEST(WorkloadTest, FollowsTheConfiguration) {
  const auto configuration = Resolved(R"({"method": {"type": "qlora", "quantizationBits": 8,
      "loraConfig": {"rank": 32, "trainableModules": "q_proj, v_proj", "dropout": 0.1}},
    "schedule": {"batchSize": 2, "gradientAccumulation": 4, "epochs": 2, "sequenceLength": 512,
      "maxSteps": 7, "evaluations": 3},
    "datasets": {"trainSplit": 0.8}, "optimizer": {"name": "paged_adamw_8bit"},
    "optimizations": {"enabled": ["gradient_checkpointing", "sequence_packing"]},
    "objective": {"type": "dpo"}, "model": {"precision": "bf16"}})");
  const auto workload = WorkloadOf(configuration, Sample(100, 420), std::nullopt, 0);
  EXPECT_EQ(workload.method.method, estimator::Method::kQlora);
  EXPECT_EQ(workload.method.quantization_bits, 8);
  EXPECT_EQ(workload.method.rank, 32);
  EXPECT_THAT(workload.method.modules, testing::ElementsAre("q_proj", "v_proj"));
  EXPECT_EQ(workload.optimizer, estimator::OptimizerState::kEightBit);
  EXPECT_TRUE(workload.paged_optimizer);
  EXPECT_EQ(workload.bytes_per_value, 2);
  EXPECT_EQ(workload.max_steps, 7);
  EXPECT_TRUE(workload.gradient_checkpointing);
  EXPECT_TRUE(workload.packing);
  EXPECT_TRUE(workload.preference);
  EXPECT_EQ(workload.data.examples, 80);
  EXPECT_EQ(workload.evaluation.examples, 20);
  EXPECT_EQ(workload.evaluations, 3);
  EXPECT_NEAR(workload.data.mean_tokens, 100, 1);
}

TEST(EstimateTest, TakesTheMeasuredSpeedAndThePrice) {
  const auto configuration = Resolved(R"({"schedule": {"epochs": 1, "batchSize": 4}})");
  const auto small = CpuNode(1e9);
  const auto large = CpuNode(64e9);
  v1::MeasuredSpeed speed;
  speed.set_fp32_flops(100e9);
  speed.set_bf16_flops(400e9);
  domain::ResourceRequest cpu;
  cpu.cpu_slots = 1;
  const auto estimate = MakeEstimate({.resolved = configuration,
                                      .shape = kModel,
                                      .resources = cpu,
                                      .candidates = {{&small, std::nullopt}, {&large, speed}},
                                      .training = Sample(1000, 840),
                                      .validation = std::nullopt,
                                      .prices = {.cpu_slot_hour = 3.6}});
  EXPECT_EQ(estimate.steps(), 225U) << "a tenth is held out";
  EXPECT_NEAR(estimate.tokens(), 900 * 200, 1);
  ASSERT_TRUE(estimate.has_seconds());
  EXPECT_NEAR(estimate.cost(), estimate.seconds() / 1000, 1e-9);
  EXPECT_TRUE(estimate.fits());
  EXPECT_EQ(estimate.device(), "CPU");
  EXPECT_GT(estimate.memory().total_bytes(), 600e6);
}

TEST(EstimateTest, CountsWeightsThatANodeKeepsTwice) {
  const auto configuration = Resolved(R"({"model": {"precision": "bf16"}})");
  const auto node = CpuNode(64e9);
  domain::ResourceRequest cpu;
  cpu.cpu_slots = 1;
  const auto weights = [&](bool packs) {
    v1::MeasuredSpeed speed;
    speed.set_packs_bf16_weights(packs);
    return MakeEstimate({.resolved = configuration,
                         .shape = kModel,
                         .resources = cpu,
                         .candidates = {{&node, speed}},
                         .training = Sample(1000, 840),
                         .validation = std::nullopt,
                         .prices = {}})
        .memory()
        .weights_bytes();
  };
  EXPECT_EQ(weights(true) - weights(false),
            static_cast<std::uint64_t>(2 * estimator::LinearParameters(kModel)));
}

TEST(EstimateTest, SaysWhatDoesNotFitAndWhatIsNotKnown) {
  const auto configuration = Resolved(R"({"method": {"type": "full"},
    "schedule": {"batchSize": 64, "sequenceLength": 2048}})");
  domain::NodeDescription node;
  node.resources.gpus = {{0, "u", "NVIDIA H100 80GB HBM3", 2'000'000'000}};
  domain::ResourceRequest gpu;
  gpu.gpus = 1;
  Inputs inputs{.resolved = configuration,
                .shape = kModel,
                .resources = gpu,
                .candidates = {{&node, std::nullopt}},
                .training = Sample(1000, 20000),
                .validation = std::nullopt,
                .prices = {}};
  const auto estimate = MakeEstimate(inputs);
  EXPECT_FALSE(estimate.fits());
  EXPECT_FALSE(estimate.remedies().empty());
  EXPECT_THAT(estimate.device(), testing::HasSubstr("H100"));
  EXPECT_TRUE(estimate.has_tokens_per_second());
  EXPECT_THAT(estimate.assumptions(), testing::Contains(testing::HasSubstr("data sheet")));
  inputs.candidates.clear();
  const auto unknown = MakeEstimate(inputs);
  EXPECT_FALSE(unknown.has_seconds());
  EXPECT_THAT(unknown.assumptions(), testing::Contains(testing::HasSubstr("registered")));
}

TEST(CheckFitTest, WarnsOfWhatTheModelAndTheDataCannotGive) {
  const auto configuration = Resolved(R"({"schedule": {"batchSize": 8, "gradientAccumulation": 4,
    "sequenceLength": 4096}})");
  const auto findings = CheckFit(configuration, kModel, Sample(31, 10));
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].path, "schedule.sequenceLength");
  EXPECT_EQ(findings[1].path, "schedule.batchSize");
  EXPECT_EQ(findings[1].severity, Severity::kWarning);
  EXPECT_EQ(CheckFit(configuration, kModel, Sample(32, 10)).size(), 1U);
}

}  // namespace
}  // namespace lathe::estimation
