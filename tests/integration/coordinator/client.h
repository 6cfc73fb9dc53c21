#pragma once
// What a user's tool does, in one line each, for tests.

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "lathe/v1/job_service.grpc.pb.h"

namespace lathe::testing {

class TestClient {
 public:
  /// Without a `user` its calls do not say who makes them.
  explicit TestClient(std::shared_ptr<grpc::Channel> channel, std::string user = {});

  /// Stores bytes as a blob; its id as a data set.
  std::string Upload(const std::string& bytes);
  /// A configuration that is right: base model "tiny", on CPU, a data set that has been uploaded.
  std::string Configuration();
  v1::CreateJobRequest Request();

  Result<v1::CreateJobResponse> Create(const v1::CreateJobRequest& request);
  Result<v1::Job> Get(const std::string& id);
  Result<v1::Job> Cancel(const std::string& id);
  Result<v1::ListJobsResponse> List(const v1::ListJobsRequest& request = {});
  /// Stored events, ids only, of these types after `after_id`.
  std::vector<std::string> EventIds(const std::string& id, const std::string& after_id = "",
                                    const std::vector<std::string>& types = {});
  /// Waits until the job is in that state.
  bool WaitFor(const std::string& id, v1::JobState state);

  v1::JobService::Stub& jobs() { return *jobs_; }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }

 private:
  void Prepare(grpc::ClientContext& context) const;

  std::shared_ptr<grpc::Channel> channel_;
  std::string user_;
  std::unique_ptr<v1::JobService::Stub> jobs_;
};

}  // namespace lathe::testing
