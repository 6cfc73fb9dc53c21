#pragma once
// The coordinator's API as blocking calls with our errors. An address that cannot be reached is
// named in the error, with where it came from. Streams hand each message to a callback and end with
// the stream; CancelCalls ends them from any thread. Thread-safe.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "common/artifacts/client.h"
#include "common/base/result.h"
#include "coordinator/cli/client/address.h"
#include "coordinator/cli/context.h"
#include "lathe/v1/configuration_service.pb.h"
#include "lathe/v1/inference_service.pb.h"
#include "lathe/v1/job_service.pb.h"
#include "lathe/v1/node_service.pb.h"
#include "lathe/v1/provider_service.pb.h"

namespace grpc {
class Channel;
class ClientContext;
class Status;
}  // namespace grpc

namespace lathe::cli {

class CoordinatorClient {
 public:
  /// Does not connect yet. Errors: those of rpc::ChannelCredentials.
  static Result<std::unique_ptr<CoordinatorClient>> Create(const Context& context);
  ~CoordinatorClient();

  Result<v1::CreateJobResponse> CreateJob(const v1::CreateJobRequest& request);
  Result<v1::Job> GetJob(const std::string& id);
  Result<v1::ListJobsResponse> ListJobs(const v1::ListJobsRequest& request);
  Result<v1::Job> CancelJob(const v1::CancelJobRequest& request);
  Result<v1::ListNodesResponse> ListNodes();
  Result<v1::ListProvidersResponse> ListProviders();
  Result<v1::ProviderCapabilities> GetProviderCapabilities(const std::string& id);
  Result<v1::ValidateConfigurationResponse> ValidateConfiguration(
      const v1::ValidateConfigurationRequest& request);
  Result<v1::TranslateConfigurationResponse> TranslateConfiguration(
      const v1::TranslateConfigurationRequest& request);
  Result<v1::ProviderJob> StartProviderJob(const v1::StartProviderJobRequest& request);
  Result<v1::ProviderJob> GetProviderJob(const std::string& provider, const std::string& id);
  Result<v1::ProviderJob> CancelProviderJob(const std::string& provider, const std::string& id);

  Result<v1::SavedConfiguration> SaveConfiguration(
      const v1::CreateSavedConfigurationRequest& request);
  Result<v1::SavedConfiguration> UpdateSavedConfiguration(
      const v1::UpdateSavedConfigurationRequest& request);
  Result<v1::SavedConfiguration> GetSavedConfiguration(const v1::SavedConfigurationName& name);
  Result<v1::ListSavedConfigurationsResponse> ListSavedConfigurations(
      const v1::ListSavedConfigurationsRequest& request);
  Result<v1::SavedConfiguration> CopySavedConfiguration(
      const v1::CopySavedConfigurationRequest& request);
  Status DeleteSavedConfiguration(const v1::DeleteSavedConfigurationRequest& request);

  template <class Message>
  using OnMessage = std::function<void(const Message&)>;
  Status WatchJob(const std::string& id, const OnMessage<v1::Job>& on_job);
  Status StreamJobEvents(const v1::StreamJobEventsRequest& request,
                         const OnMessage<v1::JobEvent>& on_event);
  Status Generate(const v1::GenerateRequest& request,
                  const OnMessage<v1::GenerateResponse>& on_piece);

  /// Ends every call under way, and every later one, with kCancelled.
  void CancelCalls();
  bool cancelled() const { return cancelled_; }

  const Address& address() const { return address_; }
  artifacts::Client Artifacts() const { return artifacts::Client(channel_); }
  /// Adds address and hint to an error of Artifacts() when the coordinator is out of reach.
  Error Explained(Error error) const;

 private:
  class Call;
  CoordinatorClient(Address address, std::string user, std::shared_ptr<grpc::Channel> channel);
  Error ErrorOf(const grpc::Status& status) const;
  template <class Stub, class Request, class Response>
  Result<Response> Unary(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                      Response*),
                         Stub& stub, const Request& request);
  template <class Reader, class Message>
  Status ReadAll(Reader& reader, const OnMessage<Message>& on_message);

  struct Stubs;
  const Address address_;
  const std::string user_;  ///< sent with every call; empty: not sent
  // A channel is shared by all stubs made of it.
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stubs> stubs_;
  std::atomic<bool> cancelled_ = false;
  std::mutex mutex_;  // guards calls_
  std::set<grpc::ClientContext*> calls_;
};

}  // namespace lathe::cli
