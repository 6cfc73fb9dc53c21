#include "coordinator/api/submission.h"

#include <gtest/gtest.h>

#include <set>

#include "common/base/temp_dir.h"
#include "common/schema/configuration.h"

namespace lathe::api {
namespace {

class SubmissionTest : public testing::Test {
 protected:
  v1::CreateJobRequest Request(const std::string& hardware) {
    v1::CreateJobRequest request;
    request.set_configuration_json(R"({"model":{"baseModel":"tiny"},"datasets":)"
                                   R"({"trainingFileId":"sha256:)" +
                                   blobs_.PutBytes("x").value().sha256() + R"("},"hardware":)" +
                                   hardware + "}");
    return request;
  }
  domain::ResourceRequest Resources(const std::string& hardware) {
    return CheckSubmission({Request(hardware)}, nodes_, blobs_, nullptr, find_job_)
        .value()
        .spec.resources;
  }
  void AddGpuNode() {
    runtime::NodeView view;
    view.node.description.models = {"tiny"};
    view.node.description.resources.cuda = true;
    view.node.description.resources.gpus.resize(1);
    nodes_.push_back(view);
  }
  TempDir dir_ = TempDir::Create().value();
  artifacts::BlobStore blobs_ = artifacts::BlobStore::Open(dir_.path()).value();
  std::vector<runtime::NodeView> nodes_;
  FindJob find_job_ = [](const domain::JobId&) { return nullptr; };
};

TEST_F(SubmissionTest, ResourcesFollowTheDevice) {
  EXPECT_EQ(Resources(R"({"device":"cpu"})").cpu_slots, 1U);
  EXPECT_EQ(Resources(R"({"device":"auto"})").cpu_slots, 1U) << "no node has a GPU";
  const auto two =
      Resources(R"({"device":"cuda","numGPUs":2,"gpuType":"A100","minMemoryGiB":1.5})");
  EXPECT_EQ(two.gpus, 2U);
  EXPECT_EQ(two.cpu_slots, 0U);
  EXPECT_EQ(two.gpu_type, "A100");
  EXPECT_EQ(two.min_gpu_memory_bytes, 3ULL << 29U);
  AddGpuNode();
  EXPECT_EQ(Resources(R"({"device":"auto"})").gpus, 1U);
  EXPECT_EQ(Resources("{}").gpus, 1U);
}

TEST_F(SubmissionTest, PayloadTellsRequestsApart) {
  auto request = Request("{}");
  const std::string hash =
      CheckSubmission({request}, nodes_, blobs_, nullptr, find_job_).value().spec.payload_hash;
  EXPECT_EQ(
      CheckSubmission({request}, nodes_, blobs_, nullptr, find_job_).value().spec.payload_hash,
      hash);
  request.set_name("other");
  EXPECT_NE(
      CheckSubmission({request}, nodes_, blobs_, nullptr, find_job_).value().spec.payload_hash,
      hash);
}

TEST_F(SubmissionTest, ExactlyOneConfiguration) {
  auto request = Request("{}");
  request.mutable_configuration()->mutable_model()->set_base_model("tiny");
  EXPECT_FALSE(CheckSubmission({request}, nodes_, blobs_, nullptr, find_job_));
  EXPECT_FALSE(CheckSubmission({v1::CreateJobRequest()}, nodes_, blobs_, nullptr, find_job_));
  request = Request("{}");
  request.set_name("a\nb");
  EXPECT_EQ(
      CheckSubmission({request}, nodes_, blobs_, nullptr, find_job_).error().findings.at(0).path,
      "name");
}

TEST_F(SubmissionTest, AnEngineHasItsSayBesideEverythingElse) {
  const providers::Settings keys = {{"openai", {"https://example.com", "key"}}};
  auto request = Request(R"({"device":"cuda","numGPUs":4}, "method":{"type":"prefix"},)"
                         R"("schedule":{"epochs":1000})");
  request.set_provider("openai");
  const auto wrong =
      CheckSubmission({.request = request, .engines = &keys}, nodes_, blobs_, nullptr, find_job_);
  std::set<std::string> found;
  for (const Finding& finding : wrong.error().findings)
    found.insert(finding.path + ":" + finding.code);
  EXPECT_TRUE(found.contains("method.type:unsupported_by_engine"));
  EXPECT_TRUE(found.contains("schedule.epochs:out_of_range"));
  EXPECT_TRUE(found.contains("hardware.numGPUs:left_out"));

  request = Request(R"({"device":"cuda","numGPUs":4})");
  const std::string here =
      CheckSubmission({request}, nodes_, blobs_, nullptr, find_job_)->spec.payload_hash;
  request.set_provider("openai");
  const auto good =
      CheckSubmission({.request = request, .engines = &keys}, nodes_, blobs_, nullptr, find_job_);
  ASSERT_TRUE(good) << ToString(good.error());
  EXPECT_EQ(good->spec.engine, "openai");
  EXPECT_EQ(good->spec.resources.cpu_slots, 1U) << "a place at the engine, nothing of the cluster";
  EXPECT_EQ(good->spec.resources.gpus, 0U);
  EXPECT_NE(good->spec.payload_hash, here) << "another engine is another request";
}

TEST_F(SubmissionTest, AnEngineThatCannotStartIsRefusedWithItsReason) {
  const auto refusal = [&](const std::string& provider) {
    auto request = Request("{}");
    request.set_provider(provider);
    const auto checked = CheckSubmission({request}, nodes_, blobs_, nullptr, find_job_);
    if (checked) return std::string("accepted");
    const Finding& finding = checked.error().findings.at(0);
    return finding.path + ":" + finding.code + ": " + finding.message;
  };
  EXPECT_EQ(refusal("lathe"), "accepted");
  EXPECT_EQ(refusal("deepseek").substr(0, 22), "provider:cannot_start:");
  EXPECT_NE(refusal("openai").find("providers.openai.api_key_file"), std::string::npos);
  EXPECT_NE(refusal("opnai").find("did you mean `openai`"), std::string::npos);
}

TEST_F(SubmissionTest, AnEarlierJobIsAConfigurationToo) {
  v1::CreateJobRequest request;
  request.set_source_job("job-1");
  request.add_set("seed=9");
  SourceJob source;
  source.configuration = schema::FromJson(Request("{}").configuration_json()).configuration;
  source.warnings.push_back({"integrations", Severity::kWarning, "left_out", "secrets", "", ""});
  const auto again =
      CheckSubmission({.request = request, .source = &source}, nodes_, blobs_, nullptr, find_job_);
  ASSERT_TRUE(again) << ToString(again.error());
  EXPECT_EQ(again->spec.configuration_source, "job:job-1");
  EXPECT_NE(again->configuration.find("\"seed\":9"), std::string::npos);
  EXPECT_EQ(again->warnings.at(0).code, "left_out");
  *request.mutable_configuration() = source.configuration;
  EXPECT_FALSE(
      CheckSubmission({.request = request, .source = &source}, nodes_, blobs_, nullptr, find_job_))
      << "only one of the two";
}

TEST_F(SubmissionTest, IdsAreDrawn) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(DrawJobId().value());
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_EQ(ids.begin()->size(), 16U);
}

}  // namespace
}  // namespace lathe::api
