#pragma once
// Jobs for users. Unary calls answer from the view or through the loop; the streams hold a thread
// each, bounded by the view's limit of watches. A submission waits for the store without a thread:
// thousands may share one fsync. Thread-safe.

#include <memory>

#include "coordinator/api/context.h"
#include "coordinator/api/submission.h"
#include "coordinator/api/trainer_facts.h"
#include "coordinator/runtime/lanes.h"
#include "lathe/v1/job_service.grpc.pb.h"

namespace lathe::api {

class JobService final
    : public v1::JobService::WithCallbackMethod_CreateJob<v1::JobService::Service> {
 public:
  explicit JobService(const Context& context);

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* call,
                                      const v1::CreateJobRequest* request,
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
  /// A call of CreateJob on its way, its submission once that is checked, its job once it is
  /// stored.
  struct Creation;

  void Create(const std::shared_ptr<Creation>& creation);
  Status Check(Creation& creation);
  Status Answer(Creation& creation) const;
  Status List(const v1::ListJobsRequest& request, v1::ListJobsResponse& response);
  Status Watch(grpc::ServerContext& call, const domain::JobId& id,
               grpc::ServerWriter<v1::Job>& stream);
  Result<v1::Job> Show(const domain::Job& job) const;
  Result<runtime::JobPtr> Find(const std::string& id) const;

  const Context context_;
  ClusterAbilities abilities_;
  runtime::Lanes lanes_;  // last: what it still does may use all the others
};

}  // namespace lathe::api
