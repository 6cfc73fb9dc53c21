#include "coordinator/api/job_service.h"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "common/rpc/guarded.h"
#include "common/rpc/status.h"
#include "common/schema/configuration.h"
#include "coordinator/access/caller_of.h"
#include "coordinator/api/event_stream.h"
#include "coordinator/api/job_convert.h"
#include "coordinator/api/job_estimate.h"
#include "coordinator/api/page_token.h"

namespace lathe::api {
namespace {

constexpr std::uint32_t kDefaultPage = 100;
constexpr std::uint32_t kLargestPage = 1000;
constexpr std::size_t kMaxCancelReason = 500;
/// Some of them may be waiting for the store to read a saved configuration.
constexpr std::size_t kLeastLanes = 4;
/// As many as the loop's queue takes.
constexpr std::size_t kMostSubmissions = 16'384;

grpc::Status ToGrpc(const Status& status) {
  return status ? grpc::Status::OK : rpc::ToStatus(status.error());
}

}  // namespace

struct JobService::Creation {
  const grpc::CallbackServerContext& call;
  const v1::CreateJobRequest& request;
  v1::CreateJobResponse& response;
  grpc::ServerUnaryReactor& reactor;
  Submission submission = {};
  Result<domain::Job> job = {};
};

JobService::JobService(const Context& context)
    : context_(context),
      abilities_(context),
      lanes_(std::max(kLeastLanes, std::size_t{std::thread::hardware_concurrency()}),
             kMostSubmissions) {}

grpc::ServerUnaryReactor* JobService::CreateJob(grpc::CallbackServerContext* call,
                                                const v1::CreateJobRequest* request,
                                                v1::CreateJobResponse* response) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  const auto creation = std::make_shared<Creation>(Creation{*call, *request, *response, *reactor});
  if (!lanes_.Begin([this, creation] { Create(creation); })) {
    reactor->Finish(rpc::ToStatus(
        Error{ErrorCode::kUnavailable,
              "the coordinator has more submissions to check than it keeps; try again shortly.",
              {}}));
  }
  return reactor;
}

void JobService::Create(const std::shared_ptr<Creation>& creation) {
  if (const Status checked = rpc::Guarded([&] { return Check(*creation); }); !checked) {
    return creation->reactor.Finish(ToGrpc(checked));
  }
  if (creation->request.validate_only()) {
    creation->job->spec = creation->submission.spec;
    creation->job->spec.id = domain::JobId();
    return creation->reactor.Finish(ToGrpc(rpc::Guarded([&] { return Answer(*creation); })));
  }
  const auto submitted = [&](core::Ticket ticket) {
    Submission& submission = creation->submission;
    return core::JobSubmitted{ticket, submission.spec, std::move(submission.configuration),
                              submission.used};
  };
  context_.loop.Call(submitted, [this, creation](Result<domain::Job> job) {
    creation->job = std::move(job);
    lanes_.GoOn([this, creation] {
      creation->reactor.Finish(ToGrpc(rpc::Guarded([&] { return Answer(*creation); })));
    });
  });
}

/// Fills in all of the response but the job.
Status JobService::Check(Creation& creation) {
  const v1::CreateJobRequest& request = creation.request;
  v1::CreateJobResponse& response = creation.response;
  std::optional<resources::UsableConfiguration> saved;
  LATHE_ASSIGN_OR_RETURN(const auto caller, access::CallerOf(creation.call));
  if (request.has_saved_configuration()) {
    LATHE_ASSIGN_OR_RETURN(const auto named, access::NamedCallerOf(creation.call));
    LATHE_ASSIGN_OR_RETURN(saved, context_.library.GetForUse(named, request.saved_configuration()));
  }
  std::optional<SourceJob> source;
  if (!request.source_job().empty()) {
    LATHE_ASSIGN_OR_RETURN(source, ReadSourceJob(context_, request.source_job(), caller.user));
  }
  const runtime::NodesPtr nodes = context_.view.Nodes();
  const ClusterAbilities::Engines cluster = abilities_.Of(nodes);
  LATHE_ASSIGN_OR_RETURN(Submission submission,
                         CheckSubmission({.request = request,
                                          .saved = saved ? &*saved : nullptr,
                                          .owner = caller.user,
                                          .cluster = cluster.get(),
                                          .source = source ? &*source : nullptr,
                                          .engines = &context_.engines},
                                         *nodes, context_.blobs, context_.keyring,
                                         [&](const auto& id) { return context_.view.Job(id); }));
  for (const Finding& warning : submission.warnings) {
    *response.add_findings() = rpc::ToProto(warning);
  }
  if (auto estimated = EstimateJob(context_, submission, *nodes)) {
    *response.mutable_estimate() = std::move(estimated->estimate);
    for (const Finding& warning : estimated->warnings) {
      *response.add_findings() = rpc::ToProto(warning);
    }
  }
  if (!request.brief()) {
    response.set_resolved_configuration_json(
        schema::ToJson(submission.resolved, schema::Secrets::kRedact));
  }
  for (auto& value : submission.values) *response.add_values() = std::move(value);
  creation.submission = std::move(submission);
  return {};
}

/// A repeated request gets the first one's job. What that was made from may have changed since.
Status JobService::Answer(Creation& creation) const {
  LATHE_ASSIGN_OR_RETURN(const domain::Job job, std::move(creation.job));
  const Submission& submission = creation.submission;
  if (job.spec.configuration_hash == submission.spec.configuration_hash) {
    *creation.response.mutable_job() = ToProto(job, submission.given);
    return {};
  }
  LATHE_ASSIGN_OR_RETURN(*creation.response.mutable_job(), Show(job));
  return {};
}

grpc::Status JobService::GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                                v1::Job* response) {
  const auto job = Find(request->id());
  if (!job) return rpc::ToStatus(job.error());
  auto shown = Show(**job);
  if (!shown) return rpc::ToStatus(shown.error());
  *response = std::move(*shown);
  return grpc::Status::OK;
}

grpc::Status JobService::ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                                  v1::ListJobsResponse* response) {
  return ToGrpc(List(*request, *response));
}

Status JobService::List(const v1::ListJobsRequest& request, v1::ListJobsResponse& response) {
  if (request.page_size() > kLargestPage) {
    return Failure(ErrorCode::kInvalidArgument, "page_size must be at most 1000.");
  }
  for (const int state : request.states()) {
    if (v1::JobState_IsValid(state) && state != v1::JOB_STATE_UNSPECIFIED) continue;
    return Failure(ErrorCode::kInvalidArgument,
                   "states has " + std::to_string(state) + ", which is no state of a job.");
  }
  std::optional<runtime::ListPosition> after;
  if (!request.page_token().empty()) {
    after = ReadPageToken(request.page_token());
    if (!after) {
      return Failure(ErrorCode::kInvalidArgument,
                     "page_token is not one that an earlier answer gave.");
    }
  }
  const std::set<int> states(request.states().begin(), request.states().end());
  const auto accept = [&](const domain::Job& job) {
    return states.empty() || states.contains(static_cast<int>(job.state));
  };
  const std::size_t size = request.page_size() == 0 ? kDefaultPage : request.page_size();
  auto jobs = context_.view.List(after, size + 1, accept);
  if (jobs.size() > size) {
    jobs.pop_back();
    response.set_next_page_token(MakePageToken({jobs.back()->created, jobs.back()->id()}));
  }
  for (const runtime::JobPtr& job : jobs) {
    LATHE_ASSIGN_OR_RETURN(*response.add_jobs(), Show(*job));
  }
  return {};
}

grpc::Status JobService::WatchJob(grpc::ServerContext* call, const v1::WatchJobRequest* request,
                                  grpc::ServerWriter<v1::Job>* stream) {
  const auto job = Find(request->id());
  if (!job) return rpc::ToStatus(job.error());
  return ToGrpc(Watch(*call, domain::JobId(request->id()), *stream));
}

Status JobService::Watch(grpc::ServerContext& call, const domain::JobId& id,
                         grpc::ServerWriter<v1::Job>& stream) {
  LATHE_ASSIGN_OR_RETURN(const auto changes, context_.view.signals().Subscribe(id));
  std::uint64_t shown_revision = 0;
  while (true) {
    const runtime::JobPtr job = context_.view.Job(id);
    if (job->revision != shown_revision) {
      LATHE_ASSIGN_OR_RETURN(const v1::Job shown, Show(*job));
      if (!stream.Write(shown)) return {};
      shown_revision = job->revision;
    }
    if (domain::IsFinal(job->state)) return {};
    while (!changes->Wait(kPatience)) {
      if (call.IsCancelled()) return {};
      if (context_.stopping) {
        return Failure(ErrorCode::kUnavailable, "the coordinator is stopping; watch again.");
      }
    }
  }
}

grpc::Status JobService::CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request,
                                   v1::Job* response) {
  if (request->reason().size() > kMaxCancelReason) {
    return rpc::ToStatus(
        Error{ErrorCode::kInvalidArgument, "reason must have at most 500 bytes.", {}});
  }
  const auto job = context_.loop.Call([&](core::Ticket ticket) {
    return core::CancelRequested{ticket, domain::JobId(request->id()), request->reason()};
  });
  if (!job) return rpc::ToStatus(job.error());
  auto shown = Show(*job);
  if (!shown) return rpc::ToStatus(shown.error());
  *response = std::move(*shown);
  return grpc::Status::OK;
}

grpc::Status JobService::StreamJobEvents(grpc::ServerContext* call,
                                         const v1::StreamJobEventsRequest* request,
                                         grpc::ServerWriter<v1::JobEvent>* stream) {
  return ToGrpc(EventStream(context_, *call, *stream).Run(*request));
}

Result<v1::Job> JobService::Show(const domain::Job& job) const {
  LATHE_ASSIGN_OR_RETURN(const std::string configuration,
                         context_.configurations.Read(job.spec.configuration_hash));
  return ToProto(job, configuration);
}

Result<runtime::JobPtr> JobService::Find(const std::string& id) const {
  runtime::JobPtr job = context_.view.Job(domain::JobId(id));
  if (!job) return Failure(ErrorCode::kNotFound, "there is no job " + id + ".");
  return job;
}

}  // namespace lathe::api
