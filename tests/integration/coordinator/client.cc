#include "tests/integration/coordinator/client.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "common/artifacts/client.h"
#include "common/base/file_io.h"
#include "common/base/temp_dir.h"
#include "common/rpc/channel.h"
#include "common/rpc/status.h"

namespace lathe::testing {
namespace {

template <class Response>
Result<Response> Answer(const grpc::Status& status, Response response) {
  if (!status.ok()) return Failure(rpc::FromStatus(status));
  return response;
}

}  // namespace

TestClient::TestClient(std::shared_ptr<grpc::Channel> channel, std::string user)
    : channel_(std::move(channel)),
      user_(std::move(user)),
      jobs_(v1::JobService::NewStub(channel_)) {}

void TestClient::Prepare(grpc::ClientContext& context) const {
  rpc::SetTimeout(context, std::chrono::seconds(20));
  if (!user_.empty()) context.AddMetadata("lathe-user", user_);
}

std::string TestClient::Upload(const std::string& bytes) {
  const TempDir dir = TempDir::Create().value();
  EXPECT_TRUE(WriteFileAtomically(dir.path() / "file", bytes));
  const auto blob = artifacts::Client(channel_).UploadFile(dir.path() / "file");
  EXPECT_TRUE(blob) << (blob ? "" : ToString(blob.error()));
  return blob ? "sha256:" + blob->sha256() : "";
}

std::string TestClient::Configuration() {
  return R"({"model":{"baseModel":"tiny"},"datasets":{"trainingFileId":")" +
         Upload(R"({"messages":[]})") + R"("},"hardware":{"device":"cpu"}})";
}

v1::CreateJobRequest TestClient::Request() {
  v1::CreateJobRequest request;
  request.set_configuration_json(Configuration());
  request.set_name("a job");
  return request;
}

Result<v1::CreateJobResponse> TestClient::Create(const v1::CreateJobRequest& request) {
  grpc::ClientContext context;
  Prepare(context);
  v1::CreateJobResponse response;
  const grpc::Status status = jobs_->CreateJob(&context, request, &response);
  return Answer(status, response);
}

Result<v1::Job> TestClient::Get(const std::string& id) {
  grpc::ClientContext context;
  Prepare(context);
  v1::GetJobRequest request;
  request.set_id(id);
  v1::Job job;
  const grpc::Status status = jobs_->GetJob(&context, request, &job);
  return Answer(status, job);
}

Result<v1::Job> TestClient::Cancel(const std::string& id) {
  grpc::ClientContext context;
  Prepare(context);
  v1::CancelJobRequest request;
  request.set_id(id);
  v1::Job job;
  const grpc::Status status = jobs_->CancelJob(&context, request, &job);
  return Answer(status, job);
}

Result<v1::ListJobsResponse> TestClient::List(const v1::ListJobsRequest& request) {
  grpc::ClientContext context;
  Prepare(context);
  v1::ListJobsResponse response;
  const grpc::Status status = jobs_->ListJobs(&context, request, &response);
  return Answer(status, response);
}

std::vector<std::string> TestClient::EventIds(const std::string& id, const std::string& after_id,
                                              const std::vector<std::string>& types) {
  grpc::ClientContext context;
  Prepare(context);
  v1::StreamJobEventsRequest request;
  request.set_id(id);
  request.set_after_id(after_id);
  for (const std::string& type : types) request.add_types(type);
  const auto stream = jobs_->StreamJobEvents(&context, request);
  std::vector<std::string> ids;
  v1::JobEvent event;
  while (stream->Read(&event)) ids.push_back(event.id());
  EXPECT_TRUE(stream->Finish().ok());
  return ids;
}

bool TestClient::WaitFor(const std::string& id, v1::JobState state) {
  v1::JobState last = v1::JOB_STATE_UNSPECIFIED;
  for (int i = 0; i < 1000; ++i) {
    const auto job = Get(id);
    if (job && job->state() == state) return true;
    if (job) last = job->state();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ADD_FAILURE() << id << " is " << v1::JobState_Name(last) << " instead of "
                << v1::JobState_Name(state);
  return false;
}

}  // namespace lathe::testing
