#include "coordinator/api/provider_service.h"

#include <algorithm>
#include <set>
#include <utility>

#include "common/rpc/status.h"
#include "common/schema/configuration.h"
#include "coordinator/api/provider_convert.h"
#include "coordinator/api/trainer_facts.h"
#include "coordinator/providers/check.h"
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

/// What may be shown of it.
v1::JobConfiguration Redacted(const v1::JobConfiguration& configuration) {
  return schema::FromJson(schema::ToJson(configuration, schema::Secrets::kRedact)).configuration;
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
                                       ? providers::ClusterEngine(TrainersOf(context_, nodes), "")
                                       : described;
  providers::Surroundings surroundings = Look(nodes);
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
      providers::ClusterEngine(TrainersOf(context_, context_.view.Nodes()), "");
  if (engine->is_cluster()) engine = &cluster;
  if (request.has_configuration() != request.configuration_json().empty()) {
    return Failure(ErrorCode::kInvalidArgument,
                   "exactly one of configuration and configuration_json must be set");
  }
  schema::Parsed parsed;
  if (request.has_configuration()) {
    parsed.configuration = request.configuration();
  } else {
    parsed = schema::FromJson(request.configuration_json());
  }
  // A file says nothing of the data yet, and no request has our name of it in it.
  auto& datasets = *parsed.configuration.mutable_datasets();
  if (!datasets.has_training_file_id()) datasets.set_training_file_id("given at submission");
  std::vector<Finding> findings = schema::AllFindings(parsed);
  for (Finding& finding : providers::CheckEngine(*engine, parsed.configuration)) {
    findings.push_back(std::move(finding));
  }
  if (HasErrors(findings)) {
    return Failure(Error{ErrorCode::kInvalidArgument,
                         "the configuration cannot go to " + engine->title, std::move(findings)});
  }
  for (const Finding& finding : findings) *response.add_findings() = rpc::ToProto(finding);
  const v1::JobConfiguration shown = Redacted(parsed.configuration);
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
