#pragma once
// The configuration's schema, checks and dialects, templates and the library. Thread-safe.

#include "coordinator/resources/configuration_library.h"
#include "lathe/v1/configuration_service.grpc.pb.h"

namespace lathe::api {

class ConfigurationService final : public v1::ConfigurationService::Service {
 public:
  /// The library must outlive it.
  explicit ConfigurationService(resources::ConfigurationLibrary& library) : library_(library) {}

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

  resources::ConfigurationLibrary& library_;
};

}  // namespace lathe::api
