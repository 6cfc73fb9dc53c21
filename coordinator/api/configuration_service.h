#pragma once
// The configuration's schema, checks and dialects, templates and the library. Thread-safe.

#include <string>
#include <vector>

#include "coordinator/api/context.h"
#include "coordinator/resources/configuration_library.h"
#include "lathe/v1/configuration_service.grpc.pb.h"

namespace lathe::api {

class ConfigurationService final : public v1::ConfigurationService::Service {
 public:
  /// What the context names must outlive it.
  explicit ConfigurationService(const Context& context)
      : context_(context), library_(context.library) {}

  grpc::Status GetSchema(grpc::ServerContext* call, const v1::GetSchemaRequest* request,
                         v1::GetSchemaResponse* response) override;
  grpc::Status ValidateConfiguration(grpc::ServerContext* call,
                                     const v1::ValidateConfigurationRequest* request,
                                     v1::ValidateConfigurationResponse* response) override;
  grpc::Status ConvertConfiguration(grpc::ServerContext* call,
                                    const v1::ConvertConfigurationRequest* request,
                                    v1::ConvertConfigurationResponse* response) override;
  grpc::Status CompareConfigurations(grpc::ServerContext* call,
                                     const v1::CompareConfigurationsRequest* request,
                                     v1::CompareConfigurationsResponse* response) override;
  grpc::Status ListTemplates(grpc::ServerContext* call, const v1::ListTemplatesRequest* request,
                             v1::ListTemplatesResponse* response) override;
  grpc::Status GetTemplate(grpc::ServerContext* call, const v1::GetTemplateRequest* request,
                           v1::ConfigurationTemplate* response) override;

  grpc::Status CreateSavedConfiguration(grpc::ServerContext* call,
                                        const v1::CreateSavedConfigurationRequest* request,
                                        v1::SavedConfiguration* response) override;
  grpc::Status GetSavedConfiguration(grpc::ServerContext* call,
                                     const v1::GetSavedConfigurationRequest* request,
                                     v1::SavedConfiguration* response) override;
  grpc::Status ListSavedConfigurations(grpc::ServerContext* call,
                                       const v1::ListSavedConfigurationsRequest* request,
                                       v1::ListSavedConfigurationsResponse* response) override;
  grpc::Status UpdateSavedConfiguration(grpc::ServerContext* call,
                                        const v1::UpdateSavedConfigurationRequest* request,
                                        v1::SavedConfiguration* response) override;
  grpc::Status DeleteSavedConfiguration(grpc::ServerContext* call,
                                        const v1::DeleteSavedConfigurationRequest* request,
                                        google::protobuf::Empty* response) override;
  grpc::Status CopySavedConfiguration(grpc::ServerContext* call,
                                      const v1::CopySavedConfigurationRequest* request,
                                      v1::SavedConfiguration* response) override;

 private:
  Result<v1::JobConfiguration> Read(const grpc::ServerContext& call,
                                    const v1::ConfigurationReference& reference,
                                    const std::string& path);

  Result<v1::ValidateConfigurationResponse> Validate(
      const v1::ValidateConfigurationRequest& request) const;
  /// What the engine of that id says beyond what was found.
  std::vector<Finding> CheckForEngine(const std::string& id,
                                      const v1::JobConfiguration& configuration,
                                      const std::vector<Finding>& earlier) const;

  const Context context_;
  resources::ConfigurationLibrary& library_;
};

}  // namespace lathe::api
