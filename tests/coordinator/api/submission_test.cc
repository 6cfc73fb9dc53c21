#include "coordinator/api/submission.h"

#include <gtest/gtest.h>

#include <set>

#include "common/base/temp_dir.h"

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
    return CheckSubmission({Request(hardware)}, nodes_, blobs_, nullptr).value().spec.resources;
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
      CheckSubmission({request}, nodes_, blobs_, nullptr).value().spec.payload_hash;
  EXPECT_EQ(CheckSubmission({request}, nodes_, blobs_, nullptr).value().spec.payload_hash, hash);
  request.set_name("other");
  EXPECT_NE(CheckSubmission({request}, nodes_, blobs_, nullptr).value().spec.payload_hash, hash);
}

TEST_F(SubmissionTest, ExactlyOneConfiguration) {
  auto request = Request("{}");
  request.mutable_configuration()->mutable_model()->set_base_model("tiny");
  EXPECT_FALSE(CheckSubmission({request}, nodes_, blobs_, nullptr));
  EXPECT_FALSE(CheckSubmission({v1::CreateJobRequest()}, nodes_, blobs_, nullptr));
  request = Request("{}");
  request.set_name("a\nb");
  EXPECT_EQ(CheckSubmission({request}, nodes_, blobs_, nullptr).error().findings.at(0).path,
            "name");
}

TEST_F(SubmissionTest, IdsAreDrawn) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(DrawJobId().value());
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_EQ(ids.begin()->size(), 16U);
}

}  // namespace
}  // namespace lathe::api
