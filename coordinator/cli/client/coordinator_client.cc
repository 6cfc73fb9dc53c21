#include "coordinator/cli/client/coordinator_client.h"

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <utility>

#include "common/rpc/channel.h"
#include "common/rpc/credentials.h"
#include "common/rpc/status.h"
#include "lathe/v1/configuration_service.grpc.pb.h"
#include "lathe/v1/inference_service.grpc.pb.h"
#include "lathe/v1/job_service.grpc.pb.h"
#include "lathe/v1/node_service.grpc.pb.h"
#include "lathe/v1/provider_service.grpc.pb.h"

namespace lathe::cli {
namespace {

constexpr std::chrono::seconds kUnaryTimeout{30};
constexpr std::chrono::seconds kSecondTryTimeout{1};

/// No connection, or one that broke; with details the coordinator itself had answered.
bool NeverArrived(const grpc::Status& status) {
  return status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details().empty();
}

/// gRPC wraps the system's words ("Connection refused") in layers of its own: "…; last error: CODE:
/// ipv4:127.0.0.1:7420: Failed to connect to remote host: Connection refused".
std::string Reason(const std::string& message) {
  const std::size_t at = message.rfind(": ");
  const bool wrapped = message.find("last error: ") != std::string::npos;
  return wrapped && at != std::string::npos ? message.substr(at + 2) : message;
}

constexpr char kStartHint[] =
    "start one on this machine with `lathe up`, or name another with --address or LATHE_ADDRESS";
constexpr char kTlsHint[] =
    "it may want TLS, or other certificates: give --ca, and --cert with --key";

}  // namespace

struct CoordinatorClient::Stubs {
  explicit Stubs(const std::shared_ptr<grpc::Channel>& channel)
      : jobs(channel),
        nodes(channel),
        inference(channel),
        providers(channel),
        configurations(channel) {}
  v1::JobService::Stub jobs;
  v1::NodeService::Stub nodes;
  v1::InferenceService::Stub inference;
  v1::ProviderService::Stub providers;
  v1::ConfigurationService::Stub configurations;
};

/// The context of one call, known to CancelCalls while it lives.
class CoordinatorClient::Call {
 public:
  explicit Call(CoordinatorClient& client) : client_(client) {
    // Believed only where the coordinator asks for no certificate.
    if (!client.user_.empty()) context_.AddMetadata("lathe-user", client.user_);
    const std::lock_guard lock(client_.mutex_);
    if (client_.cancelled_) context_.TryCancel();
    client_.calls_.insert(&context_);
  }
  ~Call() {
    const std::lock_guard lock(client_.mutex_);
    client_.calls_.erase(&context_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  grpc::ClientContext& context() { return context_; }

 private:
  CoordinatorClient& client_;
  grpc::ClientContext context_;
};

CoordinatorClient::CoordinatorClient(Address address, std::string user,
                                     std::shared_ptr<grpc::Channel> channel)
    : address_(std::move(address)),
      user_(std::move(user)),
      channel_(std::move(channel)),
      stubs_(std::make_unique<Stubs>(channel_)) {}

CoordinatorClient::~CoordinatorClient() = default;

Result<std::unique_ptr<CoordinatorClient>> CoordinatorClient::Create(const Context& context) {
  Address address = ChooseAddress(context.options.address, context.environment);
  auto channel = rpc::CreateChannel(address.value, context.options.tls);
  if (!channel) {
    channel.error().hint =
        "TLS files are given with --ca, --cert and --key; the address is " + address.source;
    return Failure(std::move(channel.error()));
  }
  return std::unique_ptr<CoordinatorClient>(
      new CoordinatorClient(std::move(address), context.environment.user, std::move(*channel)));
}

Error CoordinatorClient::Explained(Error error) const {
  if (error.code == ErrorCode::kUnavailable) {
    error.hint = rpc::LooksLikeTlsRefusal(error.message) ? kTlsHint : kStartHint;
    error.message = "cannot reach the coordinator at " + address_.value + " (" + address_.source +
                    ") — " + Reason(error.message);
  } else if (error.code == ErrorCode::kDeadlineExceeded) {
    error.message = "the coordinator at " + address_.value + " (" + address_.source +
                    ") did not answer in time — " + error.message;
  }
  return error;
}

Error CoordinatorClient::ErrorOf(const grpc::Status& status) const {
  Error error = rpc::FromStatus(status);
  // With details the coordinator itself said it: it was reached.
  return status.error_details().empty() ? Explained(std::move(error)) : error;
}

void CoordinatorClient::CancelCalls() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  for (grpc::ClientContext* context : calls_) context->TryCancel();
}

template <class Stub, class Request, class Response>
Result<Response> CoordinatorClient::Unary(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                       const Request&, Response*),
                                          Stub& stub, const Request& request) {
  Response response;
  grpc::Status status;
  {
    Call call(*this);
    rpc::SetTimeout(call.context(), kUnaryTimeout);
    status = (stub.*method)(&call.context(), request, &response);
  }
  if (NeverArrived(status)) {
    // A connection can fail for a passing reason: a coordinator that is just starting again, a
    // machine under load. All unary calls may be repeated (a submission has its request id).
    Call call(*this);
    call.context().set_wait_for_ready(true);
    rpc::SetTimeout(call.context(), kSecondTryTimeout);
    const grpc::Status second = (stub.*method)(&call.context(), request, &response);
    if (second.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED) status = second;
  }
  if (!status.ok()) return Failure(ErrorOf(status));
  return response;
}

template <class Reader, class Message>
Status CoordinatorClient::ReadAll(Reader& reader, const OnMessage<Message>& on_message) {
  Message message;
  while (reader.Read(&message)) on_message(message);
  const grpc::Status status = reader.Finish();
  if (!status.ok()) return Failure(ErrorOf(status));
  return {};
}

Result<v1::CreateJobResponse> CoordinatorClient::CreateJob(const v1::CreateJobRequest& request) {
  return Unary(&v1::JobService::Stub::CreateJob, stubs_->jobs, request);
}

Result<v1::Job> CoordinatorClient::GetJob(const std::string& id) {
  v1::GetJobRequest request;
  request.set_id(id);
  return Unary(&v1::JobService::Stub::GetJob, stubs_->jobs, request);
}

Result<v1::ListJobsResponse> CoordinatorClient::ListJobs(const v1::ListJobsRequest& request) {
  return Unary(&v1::JobService::Stub::ListJobs, stubs_->jobs, request);
}

Result<v1::Job> CoordinatorClient::CancelJob(const v1::CancelJobRequest& request) {
  return Unary(&v1::JobService::Stub::CancelJob, stubs_->jobs, request);
}

Result<v1::ListNodesResponse> CoordinatorClient::ListNodes() {
  return Unary(&v1::NodeService::Stub::ListNodes, stubs_->nodes, v1::ListNodesRequest{});
}

Result<v1::ListProvidersResponse> CoordinatorClient::ListProviders() {
  return Unary(&v1::ProviderService::Stub::ListProviders, stubs_->providers,
               v1::ListProvidersRequest{});
}

Result<v1::ProviderCapabilities> CoordinatorClient::GetProviderCapabilities(const std::string& id) {
  v1::GetProviderCapabilitiesRequest request;
  request.set_id(id);
  return Unary(&v1::ProviderService::Stub::GetProviderCapabilities, stubs_->providers, request);
}

Result<v1::ValidateConfigurationResponse> CoordinatorClient::ValidateConfiguration(
    const v1::ValidateConfigurationRequest& request) {
  return Unary(&v1::ConfigurationService::Stub::ValidateConfiguration, stubs_->configurations,
               request);
}

Result<v1::TranslateConfigurationResponse> CoordinatorClient::TranslateConfiguration(
    const v1::TranslateConfigurationRequest& request) {
  return Unary(&v1::ProviderService::Stub::TranslateConfiguration, stubs_->providers, request);
}

Result<v1::SavedConfiguration> CoordinatorClient::SaveConfiguration(
    const v1::CreateSavedConfigurationRequest& request) {
  return Unary(&v1::ConfigurationService::Stub::CreateSavedConfiguration, stubs_->configurations,
               request);
}

Result<v1::SavedConfiguration> CoordinatorClient::UpdateSavedConfiguration(
    const v1::UpdateSavedConfigurationRequest& request) {
  return Unary(&v1::ConfigurationService::Stub::UpdateSavedConfiguration, stubs_->configurations,
               request);
}

Result<v1::SavedConfiguration> CoordinatorClient::GetSavedConfiguration(
    const v1::SavedConfigurationName& name) {
  v1::GetSavedConfigurationRequest request;
  *request.mutable_id() = name;
  return Unary(&v1::ConfigurationService::Stub::GetSavedConfiguration, stubs_->configurations,
               request);
}

Result<v1::ListSavedConfigurationsResponse> CoordinatorClient::ListSavedConfigurations(
    const v1::ListSavedConfigurationsRequest& request) {
  return Unary(&v1::ConfigurationService::Stub::ListSavedConfigurations, stubs_->configurations,
               request);
}

Result<v1::SavedConfiguration> CoordinatorClient::CopySavedConfiguration(
    const v1::CopySavedConfigurationRequest& request) {
  return Unary(&v1::ConfigurationService::Stub::CopySavedConfiguration, stubs_->configurations,
               request);
}

Status CoordinatorClient::DeleteSavedConfiguration(
    const v1::DeleteSavedConfigurationRequest& request) {
  const auto deleted = Unary(&v1::ConfigurationService::Stub::DeleteSavedConfiguration,
                             stubs_->configurations, request);
  if (!deleted) return Failure(deleted.error());
  return {};
}

Result<v1::ProviderJob> CoordinatorClient::StartProviderJob(
    const v1::StartProviderJobRequest& request) {
  return Unary(&v1::ProviderService::Stub::StartProviderJob, stubs_->providers, request);
}

Result<v1::ProviderJob> CoordinatorClient::GetProviderJob(const std::string& provider,
                                                          const std::string& id) {
  v1::GetProviderJobRequest request;
  request.set_provider(provider);
  request.set_id(id);
  return Unary(&v1::ProviderService::Stub::GetProviderJob, stubs_->providers, request);
}

Result<v1::ProviderJob> CoordinatorClient::CancelProviderJob(const std::string& provider,
                                                             const std::string& id) {
  v1::CancelProviderJobRequest request;
  request.set_provider(provider);
  request.set_id(id);
  return Unary(&v1::ProviderService::Stub::CancelProviderJob, stubs_->providers, request);
}

Status CoordinatorClient::WatchJob(const std::string& id, const OnMessage<v1::Job>& on_job) {
  Call call(*this);
  v1::WatchJobRequest request;
  request.set_id(id);
  return ReadAll<grpc::ClientReader<v1::Job>, v1::Job>(
      *stubs_->jobs.WatchJob(&call.context(), request), on_job);
}

Status CoordinatorClient::StreamJobEvents(const v1::StreamJobEventsRequest& request,
                                          const OnMessage<v1::JobEvent>& on_event) {
  Call call(*this);
  return ReadAll<grpc::ClientReader<v1::JobEvent>, v1::JobEvent>(
      *stubs_->jobs.StreamJobEvents(&call.context(), request), on_event);
}

Status CoordinatorClient::Generate(const v1::GenerateRequest& request,
                                   const OnMessage<v1::GenerateResponse>& on_piece) {
  Call call(*this);
  return ReadAll<grpc::ClientReader<v1::GenerateResponse>, v1::GenerateResponse>(
      *stubs_->inference.Generate(&call.context(), request), on_piece);
}

}  // namespace lathe::cli
