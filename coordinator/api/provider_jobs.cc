#include "coordinator/api/provider_jobs.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "coordinator/api/job_convert.h"
#include "coordinator/api/provider_convert.h"
#include "coordinator/api/provider_input.h"
#include "coordinator/providers/pattern.h"

namespace lathe::api {
namespace {

constexpr std::string_view kBlobScheme = "sha256:";

/// Waits in slices, so that a coordinator that stops need not wait for a slow service.
std::function<bool(Duration)> WaitUnless(const std::atomic<bool>& stopping) {
  return [&stopping](Duration time) {
    for (Duration left = time; left > Duration::zero() && !stopping; left -= kPatience) {
      std::this_thread::sleep_for(std::min(left, kPatience));
    }
    return !stopping;
  };
}

Status CheckMarker(const std::string& request_id) {
  if (providers::MatchesAll("[A-Za-z0-9-]{8,40}", request_id)) return {};
  return Failure(ErrorCode::kInvalidArgument,
                 "request_id must have 8 to 40 letters, digits and dashes: it names the job at the "
                 "service, so that a repeated call finds it");
}

Status CheckJobId(const std::string& id) {
  constexpr char kForm[] = "[A-Za-z0-9_:-][A-Za-z0-9_.:-]*(/[A-Za-z0-9_:-][A-Za-z0-9_.:-]*){0,7}";
  if (id.size() <= 200 && providers::MatchesAll(kForm, id)) return {};
  return Failure(ErrorCode::kInvalidArgument, "this is no id of a job at a service");
}

Result<v1::JobConfiguration> ReadChecked(const v1::StartProviderJobRequest& request,
                                         const providers::Engine& engine,
                                         v1::ProviderJob& response) {
  LATHE_ASSIGN_OR_RETURN(
      schema::Parsed parsed,
      ReadEither(request.has_configuration() ? &request.configuration() : nullptr,
                 request.configuration_json()));
  LATHE_RETURN_IF_ERROR(CheckFor(engine, parsed, *response.mutable_findings()));
  return std::move(parsed.configuration);
}

}  // namespace

ProviderJobs::ProviderJobs(const Context& context)
    : context_(context),
      http_(
          {}, WaitUnless(context.stopping),
          static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count())) {
}

Result<providers::RemoteEngine> ProviderJobs::Reach(const std::string& id) const {
  LATHE_ASSIGN_OR_RETURN(const providers::Engine* engine, providers::FindEngine(id));
  if (engine->is_cluster()) {
    return Failure(ErrorCode::kFailedPrecondition,
                   "jobs of this cluster are started by CreateJob (`lathe submit`)");
  }
  providers::Access access = providers::AccessOf(context_.engines, *engine);
  const auto capabilities =
      providers::DescribeCapabilities(*engine, {.has_key = !access.api_key.empty()});
  if (!capabilities.can_start) {
    return Failure(ErrorCode::kFailedPrecondition, capabilities.reason);
  }
  return providers::RemoteEngine(*engine, std::move(access), http_);
}

Result<std::map<std::string, providers::DataFile>> ProviderJobs::Files(
    const std::vector<std::string>& roles, const v1::DatasetsConfiguration& datasets) const {
  std::map<std::string, providers::DataFile> files;
  Error error{ErrorCode::kInvalidArgument, "the data is not here", {}};
  for (const std::string& role : roles) {
    const bool training = role == "training";
    const std::string& id = training ? datasets.training_file_id() : datasets.validation_file_id();
    const std::string hash =
        id.starts_with(kBlobScheme) ? id.substr(kBlobScheme.size()) : std::string();
    const auto path = context_.blobs.PathOf(hash);
    if (path) {
      files[role] = {*path, hash};
    } else {
      error.findings.push_back(
          {training ? "datasets.trainingFileId" : "datasets.validationFileId", Severity::kError,
           "not_found", "No data set of this hash has been uploaded.", "\"" + id + "\"",
           "the hash of an uploaded file; --dataset FILE uploads one and sets it"});
    }
  }
  if (!error.findings.empty()) return Failure(std::move(error));
  return files;
}

Result<v1::ProviderJob> ProviderJobs::Start(const v1::StartProviderJobRequest& request) const {
  LATHE_ASSIGN_OR_RETURN(const providers::RemoteEngine remote, Reach(request.provider()));
  LATHE_ASSIGN_OR_RETURN(const providers::Engine* engine,
                         providers::FindEngine(request.provider()));
  LATHE_RETURN_IF_ERROR(CheckMarker(request.request_id()));
  v1::ProviderJob response;
  LATHE_ASSIGN_OR_RETURN(const v1::JobConfiguration configuration,
                         ReadChecked(request, *engine, response));
  LATHE_ASSIGN_OR_RETURN(const auto files, Files(providers::FileRoles(*engine, configuration),
                                                 configuration.datasets()));
  LATHE_ASSIGN_OR_RETURN(const std::string id,
                         remote.Start(configuration, request.request_id(), files, {}));
  response.set_provider(engine->id);
  response.set_id(id);
  response.set_state(v1::JOB_STATE_STARTING);
  return response;
}

Result<v1::ProviderJob> ProviderJobs::Get(const v1::GetProviderJobRequest& request) const {
  LATHE_ASSIGN_OR_RETURN(const providers::RemoteEngine remote, Reach(request.provider()));
  LATHE_RETURN_IF_ERROR(CheckJobId(request.id()));
  LATHE_ASSIGN_OR_RETURN(const providers::RemoteJob job, remote.Query(request.id()));
  return ToProto(request.provider(), job);
}

Result<v1::ProviderJob> ProviderJobs::Cancel(const v1::CancelProviderJobRequest& request) const {
  LATHE_ASSIGN_OR_RETURN(const providers::RemoteEngine remote, Reach(request.provider()));
  LATHE_RETURN_IF_ERROR(CheckJobId(request.id()));
  LATHE_RETURN_IF_ERROR(remote.Cancel(request.id()));
  LATHE_ASSIGN_OR_RETURN(const providers::RemoteJob job, remote.Query(request.id()));
  return ToProto(request.provider(), job);
}

}  // namespace lathe::api
