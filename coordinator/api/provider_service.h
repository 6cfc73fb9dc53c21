#pragma once
// Engines: what they can do, what a configuration becomes for them, and jobs at services.
// Thread-safe.

#include "coordinator/api/context.h"
#include "coordinator/api/provider_jobs.h"
#include "coordinator/providers/engine.h"
#include "lathe/v1/provider_service.grpc.pb.h"

namespace lathe::api {

class ProviderService final : public v1::ProviderService::Service {
 public:
  explicit ProviderService(const Context& context) : context_(context), jobs_(context) {}

  grpc::Status ListProviders(grpc::ServerContext* call, const v1::ListProvidersRequest* request,
                             v1::ListProvidersResponse* response) override;
  grpc::Status GetProviderCapabilities(grpc::ServerContext* call,
                                       const v1::GetProviderCapabilitiesRequest* request,
                                       v1::ProviderCapabilities* response) override;
  grpc::Status TranslateConfiguration(grpc::ServerContext* call,
                                      const v1::TranslateConfigurationRequest* request,
                                      v1::TranslateConfigurationResponse* response) override;
  grpc::Status StartProviderJob(grpc::ServerContext* call,
                                const v1::StartProviderJobRequest* request,
                                v1::ProviderJob* response) override;
  grpc::Status GetProviderJob(grpc::ServerContext* call, const v1::GetProviderJobRequest* request,
                              v1::ProviderJob* response) override;
  grpc::Status CancelProviderJob(grpc::ServerContext* call,
                                 const v1::CancelProviderJobRequest* request,
                                 v1::ProviderJob* response) override;

 private:
  v1::ProviderCapabilities Describe(const providers::Engine& described) const;
  Status Translate(const v1::TranslateConfigurationRequest& request,
                   v1::TranslateConfigurationResponse& response) const;

  const Context context_;
  const ProviderJobs jobs_;
};

}  // namespace lathe::api
