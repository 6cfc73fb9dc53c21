#include "coordinator/api/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <utility>
#include <vector>

#include "common/rpc/channel.h"
#include "coordinator/access/call_gate.h"
#include "coordinator/api/artifact_service.h"
#include "coordinator/api/call_metrics.h"
#include "coordinator/api/configuration_service.h"
#include "coordinator/api/inference_service.h"
#include "coordinator/api/job_service.h"
#include "coordinator/api/node_service.h"
#include "coordinator/api/provider_service.h"
#include "coordinator/sessions/worker_service.h"

namespace lathe::api {

struct Server::Parts {
  Parts(const Context& context, std::atomic<bool>& stop_flag)
      : jobs(context),
        nodes(context),
        artifacts(context.blobs),
        inference(context),
        providers(context),
        workers(context.sessions),
        configurations(context),
        stopping(stop_flag) {}

  JobService jobs;
  NodeService nodes;
  ArtifactService artifacts;
  InferenceService inference;
  ProviderService providers;
  sessions::WorkerService workers;
  ConfigurationService configurations;
  std::atomic<bool>& stopping;
  std::unique_ptr<grpc::Server> server;  // last: ends before what it serves
};

Server::Server(std::unique_ptr<Parts> parts, std::string address)
    : parts_(std::move(parts)), address_(std::move(address)) {}

Server::~Server() {
  Stop(Duration::zero());
}

Result<std::unique_ptr<Server>> Server::Start(const Options& options, const Context& context,
                                              const Clock& clock, telemetry::Telemetry& telemetry,
                                              std::atomic<bool>& stopping) {
  LATHE_ASSIGN_OR_RETURN(const auto credentials,
                         rpc::ServerCredentials(options.tls, options.address));
  if (!options.tls.authority.empty()) {
    credentials->SetAuthMetadataProcessor(access::MakeCallGate());
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  auto parts = std::make_unique<Parts>(context, stopping);
  grpc::ServerBuilder builder;
  rpc::SetServerOptions(builder);
  int port = 0;
  builder.AddListeningPort(options.address, credentials, &port);
  builder.RegisterService(&parts->jobs);
  builder.RegisterService(&parts->nodes);
  builder.RegisterService(&parts->artifacts);
  builder.RegisterService(&parts->inference);
  builder.RegisterService(&parts->providers);
  builder.RegisterService(&parts->workers);
  builder.RegisterService(&parts->configurations);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(std::make_unique<CallMetricsFactory>(clock, telemetry));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  parts->server = builder.BuildAndStart();
  if (!parts->server || port == 0) {
    return Failure(ErrorCode::kUnavailable,
                   "cannot listen on " + options.address +
                       ": the port is in use or the address is not of this machine. Stop what "
                       "listens there or set listen to another address (port 0: any free one).");
  }
  parts->server->GetHealthCheckService()->SetServingStatus(true);
  std::string address =
      options.address.substr(0, options.address.rfind(':') + 1) + std::to_string(port);
  return std::unique_ptr<Server>(new Server(std::move(parts), std::move(address)));
}

void Server::Stop(Duration limit) {
  if (!parts_->server) return;
  parts_->stopping = true;
  parts_->server->GetHealthCheckService()->SetServingStatus(false);
  parts_->server->Shutdown(std::chrono::system_clock::now() + limit);
  parts_->server->Wait();
  parts_->server.reset();
}

}  // namespace lathe::api
