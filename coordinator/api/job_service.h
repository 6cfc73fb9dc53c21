#pragma once
// Jobs for users. Unary calls answer from the view or through the loop; the streams hold a thread
// each, bounded by the view's limit of watches. Thread-safe.

#include "coordinator/api/context.h"
#include "lathe/v1/job_service.grpc.pb.h"

namespace lathe::api {

class JobService final : public v1::JobService::Service {
 public:
  explicit JobService(const Context& context) : context_(context) {}

  grpc::Status CreateJob(grpc::ServerContext* call, const v1::CreateJobRequest* request,
                         v1::CreateJobResponse* response) override;
  grpc::Status GetJob(grpc::ServerContext* call, const v1::GetJobRequest* request,
                      v1::Job* response) override;
  grpc::Status ListJobs(grpc::ServerContext* call, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override;
  grpc::Status WatchJob(grpc::ServerContext* call, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::Job>* stream) override;
  grpc::Status CancelJob(grpc::ServerContext* call, const v1::CancelJobRequest* request,
                         v1::Job* response) override;
  grpc::Status StreamJobEvents(grpc::ServerContext* call, const v1::StreamJobEventsRequest* request,
                               grpc::ServerWriter<v1::JobEvent>* stream) override;

 private:
  Status Create(const grpc::ServerContext& call, const v1::CreateJobRequest& request,
                v1::CreateJobResponse& response);
  Status List(const v1::ListJobsRequest& request, v1::ListJobsResponse& response);
  Status Watch(grpc::ServerContext& call, const domain::JobId& id,
               grpc::ServerWriter<v1::Job>& stream);
  Result<v1::Job> Show(const domain::Job& job) const;
  Result<runtime::JobPtr> Find(const std::string& id) const;

  const Context context_;
};

}  // namespace lathe::api
