#include "coordinator/api/provider_service.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/rpc/status.h"
#include "coordinator/api/configuration_input.h"
#include "coordinator/api/provider_convert.h"
#include "coordinator/api/provider_input.h"
#include "coordinator/api/trainer_facts.h"
#include "coordinator/providers/cluster.h"

namespace lathe::api {
namespace {

providers::Surroundings Look(const std::vector<runtime::NodeView>& nodes) {
  providers::Surroundings out;
  std::set<std::string> models;
  for (const runtime::NodeView& node : nodes) {
    const domain::NodeDescription& description = node.node.description;
    out.any_node = true;
    models.insert(description.models.begin(), description.models.end());
    if (!description.resources.cuda) continue;
    out.most_gpus =
        std::max(out.most_gpus, static_cast<std::uint32_t>(description.resources.gpus.size()));
  }
  out.models.assign(models.begin(), models.end());
  return out;
}

grpc::Status Answer(Result<v1::ProviderJob> job, v1::ProviderJob* response) {
  if (!job) return rpc::ToStatus(job.error());
  *response = std::move(*job);
  return grpc::Status::OK;
}

}  // namespace

v1::ProviderCapabilities ProviderService::Describe(const providers::Engine& described) const {
  const auto nodes = context_.view.Nodes();
  const providers::Engine engine = described.is_cluster()
                                       ? providers::ClusterEngine(TrainersOf(context_, *nodes), "")
                                       : described;
  providers::Surroundings surroundings = Look(*nodes);
  surroundings.has_key = !providers::AccessOf(context_.engines, engine).api_key.empty();
  return ToProto(engine, providers::DescribeCapabilities(engine, surroundings));
}

grpc::Status ProviderService::ListProviders(grpc::ServerContext*, const v1::ListProvidersRequest*,
                                            v1::ListProvidersResponse* response) {
  for (const providers::Engine& engine : providers::Engines()) {
    *response->add_providers() = Describe(engine);
  }
  return grpc::Status::OK;
}

grpc::Status ProviderService::GetProviderCapabilities(
    grpc::ServerContext*, const v1::GetProviderCapabilitiesRequest* request,
    v1::ProviderCapabilities* response) {
  const auto engine = providers::FindEngine(request->id());
  if (!engine) return rpc::ToStatus(engine.error());
  *response = Describe(**engine);
  return grpc::Status::OK;
}

grpc::Status ProviderService::TranslateConfiguration(
    grpc::ServerContext*, const v1::TranslateConfigurationRequest* request,
    v1::TranslateConfigurationResponse* response) {
  const Status status = Translate(*request, *response);
  return status ? grpc::Status::OK : rpc::ToStatus(status.error());
}

Status ProviderService::Translate(const v1::TranslateConfigurationRequest& request,
                                  v1::TranslateConfigurationResponse& response) const {
  LATHE_ASSIGN_OR_RETURN(const providers::Engine* engine,
                         providers::FindEngine(request.provider()));
  const providers::Engine cluster =
      providers::ClusterEngine(TrainersOf(context_, *context_.view.Nodes()), "");
  if (engine->is_cluster()) engine = &cluster;
  LATHE_ASSIGN_OR_RETURN(
      schema::Parsed parsed,
      ReadEither(request.has_configuration() ? &request.configuration() : nullptr,
                 request.configuration_json()));
  // A file says nothing of the data yet, and no request has our name of it in it.
  auto& datasets = *parsed.configuration.mutable_datasets();
  if (!datasets.has_training_file_id()) datasets.set_training_file_id("given at submission");
  LATHE_RETURN_IF_ERROR(CheckFor(*engine, parsed, *response.mutable_findings()));
  const v1::JobConfiguration shown = schema::Redacted(parsed.configuration);
  const std::string base_url = providers::AccessOf(context_.engines, *engine).base_url;
  for (const providers::EngineRequest& step : providers::Translate(*engine, shown)) {
    *response.add_requests() = ToProto(step, base_url);
  }
  return {};
}

grpc::Status ProviderService::StartProviderJob(grpc::ServerContext*,
                                               const v1::StartProviderJobRequest* request,
                                               v1::ProviderJob* response) {
  return Answer(jobs_.Start(*request), response);
}

grpc::Status ProviderService::GetProviderJob(grpc::ServerContext*,
                                             const v1::GetProviderJobRequest* request,
                                             v1::ProviderJob* response) {
  return Answer(jobs_.Get(*request), response);
}

grpc::Status ProviderService::CancelProviderJob(grpc::ServerContext*,
                                                const v1::CancelProviderJobRequest* request,
                                                v1::ProviderJob* response) {
  return Answer(jobs_.Cancel(*request), response);
}

}  // namespace lathe::api
