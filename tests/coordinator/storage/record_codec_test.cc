// Records of every version must stay readable: the golden files are never changed, only added to.
// After an intended addition within a version, LATHE_BLESS=1 writes the newest files anew.

#include "coordinator/storage/record_codec.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "common/base/file_io.h"

namespace lathe::storage {
namespace {

using domain::Job;
using domain::Node;

Job FullJob() {
  Job job;
  job.spec = {.id = domain::JobId("job-0123456789ab"),
              .name = "name",
              .owner = "owner",
              .priority = -3,
              .resources = {2, 0, "A100", 40ULL << 30},
              .request_id = "request",
              .payload_hash = "payload",
              .configuration_hash = "configuration",
              .base_model = "model",
              .train = {"aa", 10},
              .validation = domain::Blob{"bb", 20}};
  job.revision = 7;
  job.state = domain::JobState::kRunning;
  job.reason = {domain::ReasonCode::kCancelling, "detail"};
  job.attempt = domain::AttemptNumber(3);
  job.node = domain::NodeId("node-1");
  job.gpus = {0, 300};
  job.created = FromMicros(1'700'000'000'000'000);
  job.started = FromMicros(1'700'000'001'000'000);
  job.ended = FromMicros(1'700'000'002'000'000);
  job.progress = {.step = 5,
                  .total_steps = 50,
                  .epoch = 0.5,
                  .loss = 1.25,
                  .evaluation_loss = 1.5,
                  .tokens_per_second = 100,
                  .phase = "training",
                  .pace_since = FromMicros(3),
                  .pace_step = 2,
                  .last_step_time = FromMicros(4)};
  job.checkpoint = {4, {{{"model/state.safetensors", {"cc", 30}}}}};
  job.adapter = {{{"adapter_model.safetensors", {"dd", 40}}}};
  job.cancel_requested = true;
  job.cancel_reason = "why";
  job.faults = 2;
  job.fault_node = domain::NodeId("node-2");
  return job;
}

Job EngineJob() {
  Job job = FullJob();
  job.spec.engine = "openai";
  job.remote = {.start_sent = true, .id = "ftjob-1", .state = "queued", .model = "ft:model"};
  return job;
}

Node FullNode() {
  Node node;
  node.description = {.id = domain::NodeId("node-1"),
                      .hostname = "host",
                      .worker_version = "0.1.0",
                      .resources = {{{0, "uuid", "A100", 40ULL << 30}}, 2, 16, 1ULL << 36, true},
                      .models = {"a", "b"}};
  node.revision = 3;
  node.state = domain::NodeState::kLost;
  node.reason = "reason";
  node.last_seen = FromMicros(5);
  return node;
}

Node EngineNode() {
  Node node = FullNode();
  node.description.engine = "openai";
  return node;
}

std::string Golden(const std::string& name, const std::string& bytes) {
  const std::string path =
      std::string(std::getenv("LATHE_SOURCE_DIR")) + "/tests/golden/records/" + name;
  if (std::getenv("LATHE_BLESS") != nullptr) {
    EXPECT_TRUE(WriteFileAtomically(path, bytes));
  }
  const auto golden = ReadFile(path);
  EXPECT_TRUE(golden) << path;
  return golden.value_or("");
}

TEST(RecordCodec, JobsComeBackAsTheyWere) {
  EXPECT_EQ(*DecodeJob(EncodeJob(FullJob())), FullJob());
  Job bare;
  bare.spec.id = domain::JobId("job-1");
  EXPECT_EQ(*DecodeJob(EncodeJob(bare)), bare);
  bare.spec.schema_version = 2;
  bare.spec.configuration_source = "saved:ann/a";
  bare.spec.init_adapter = {{{"adapter_model.safetensors", {"ee", 50}}}};
  bare.spec.required_features = {"cpu method.type=prefix", "cpu optimizer.name=lion"};
  bare.progress.token_accuracy = 0.25;
  bare.progress.evaluation_perplexity = 12.5;
  bare.progress.evaluation_tool_accuracy = 0.75;
  bare.progress.evaluation_response_quality = 0.5;
  EXPECT_EQ(*DecodeJob(EncodeJob(bare)), bare);
}

TEST(RecordCodec, NodesComeBackAsTheyWere) {
  EXPECT_EQ(*DecodeNode(EncodeNode(FullNode())), FullNode());
}

TEST(RecordCodec, VersionOneIsReadAndWritten) {
  const std::string job = Golden("job.v1.bin", EncodeJob(FullJob()));
  EXPECT_EQ(*DecodeJob(job), FullJob());
  EXPECT_EQ(EncodeJob(FullJob()), job);
  const std::string node = Golden("node.v1.bin", EncodeNode(FullNode()));
  EXPECT_EQ(*DecodeNode(node), FullNode());
  EXPECT_EQ(EncodeNode(FullNode()), node);
}

TEST(RecordCodec, VersionTwoIsWrittenForEnginesAlone) {
  const std::string job = Golden("job.v2.bin", EncodeJob(EngineJob()));
  EXPECT_EQ(*DecodeJob(job), EngineJob());
  EXPECT_EQ(EncodeJob(EngineJob()), job);
  const std::string node = Golden("node.v2.bin", EncodeNode(EngineNode()));
  EXPECT_EQ(*DecodeNode(node), EngineNode());
  EXPECT_EQ(EncodeNode(EngineNode()), node);
}

TEST(RecordCodec, DamageIsNamed) {
  EXPECT_EQ(DecodeJob("\xff\xff").error().code, ErrorCode::kDataLoss);
  EXPECT_EQ(DecodeJob("").error().code, ErrorCode::kDataLoss);
  const std::string bytes = EncodeJob(FullJob());
  EXPECT_EQ(DecodeJob(bytes.substr(0, bytes.size() / 2)).error().code, ErrorCode::kDataLoss);
}

TEST(RecordCodec, NewerVersionsAreRefused) {
  std::string bytes = EncodeJob(FullJob());
  ASSERT_EQ(bytes.substr(0, 2), std::string("\x08\x01"));
  bytes[1] = 3;
  const auto refused = DecodeJob(bytes);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFailedPrecondition);
}

}  // namespace
}  // namespace lathe::storage
