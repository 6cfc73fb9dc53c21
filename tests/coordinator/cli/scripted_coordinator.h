#pragma once
// A coordinator whose answers a test decides, over real gRPC on a unix socket. Each call that has
// no script answers UNIMPLEMENTED. Set the scripts before Start.

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "common/base/temp_dir.h"
#include "lathe/v1/artifact_service.grpc.pb.h"
#include "lathe/v1/inference_service.grpc.pb.h"
#include "lathe/v1/job_service.grpc.pb.h"

namespace lathe::cli {

class ScriptedCoordinator final : public v1::JobService::Service {
 public:
  template <class Request, class Response>
  using Unary = std::function<grpc::Status(const Request&, Response&)>;
  template <class Request, class Response>
  using Stream = std::function<grpc::Status(grpc::ServerContext&, const Request&,
                                            grpc::ServerWriter<Response>&)>;

  Unary<v1::CreateJobRequest, v1::CreateJobResponse> create_job;
  Unary<v1::GetJobRequest, v1::Job> get_job;
  Unary<v1::ListJobsRequest, v1::ListJobsResponse> list_jobs;
  Unary<v1::CancelJobRequest, v1::Job> cancel_job;
  Stream<v1::WatchJobRequest, v1::Job> watch_job;
  Stream<v1::StreamJobEventsRequest, v1::JobEvent> stream_events;
  Stream<v1::GenerateRequest, v1::GenerateResponse> generate;

  std::string address() const { return "unix:" + (folder_.path() / "api.sock").string(); }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    builder.RegisterService(&inference_);
    server_ = builder.BuildAndStart();
  }
  /// Ends every call, as a coordinator that is killed does.
  void Stop() {
    if (server_) server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  ~ScriptedCoordinator() override { Stop(); }

  grpc::Status CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request,
                         v1::CreateJobResponse* response) override {
    return Answer(create_job, *request, *response);
  }
  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                      v1::Job* response) override {
    return Answer(get_job, *request, *response);
  }
  grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                        v1::ListJobsResponse* response) override {
    return Answer(list_jobs, *request, *response);
  }
  grpc::Status CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request,
                         v1::Job* response) override {
    return Answer(cancel_job, *request, *response);
  }
  grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::Job>* writer) override {
    return watch_job ? watch_job(*context, *request, *writer) : Unscripted();
  }
  grpc::Status StreamJobEvents(grpc::ServerContext* context,
                               const v1::StreamJobEventsRequest* request,
                               grpc::ServerWriter<v1::JobEvent>* writer) override {
    return stream_events ? stream_events(*context, *request, *writer) : Unscripted();
  }

 private:
  class Inference final : public v1::InferenceService::Service {
   public:
    explicit Inference(ScriptedCoordinator& owner) : owner_(owner) {}
    grpc::Status Generate(grpc::ServerContext* context, const v1::GenerateRequest* request,
                          grpc::ServerWriter<v1::GenerateResponse>* writer) override {
      return owner_.generate ? owner_.generate(*context, *request, *writer) : Unscripted();
    }

   private:
    ScriptedCoordinator& owner_;
  };

  static grpc::Status Unscripted() { return {grpc::StatusCode::UNIMPLEMENTED, "not scripted"}; }
  template <class Script, class Request, class Response>
  static grpc::Status Answer(const Script& script, const Request& request, Response& response) {
    return script ? script(request, response) : Unscripted();
  }

  TempDir folder_ = TempDir::Create().value();
  Inference inference_{*this};
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace lathe::cli
