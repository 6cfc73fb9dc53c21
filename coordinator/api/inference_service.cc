#include "coordinator/api/inference_service.h"

#include <utility>

#include "common/rpc/status.h"
#include "common/schema/values.h"
#include "coordinator/api/model_names.h"
#include "coordinator/sessions/proto_convert.h"

namespace lathe::api {
namespace {

/// What is asked for, as far as it can be read off the request, with its defaults; to which worker
/// it goes is not said yet.
Result<v1::GenerateAssignment> AssignmentOf(v1::GenerateRequest request) {
  std::vector<Finding> findings = schema::CheckValues(request);
  if (HasErrors(findings)) {
    return Failure(Error{ErrorCode::kInvalidArgument, "the question cannot be answered as it is",
                         std::move(findings)});
  }
  schema::FillDefaults(request);
  v1::GenerateAssignment assignment;
  *assignment.mutable_messages() = std::move(*request.mutable_messages());
  assignment.set_max_tokens(request.max_tokens());
  assignment.set_temperature(request.temperature());
  assignment.set_top_p(request.top_p());
  assignment.set_seed(request.seed());
  assignment.set_top_k(request.top_k());
  assignment.set_repetition_penalty(request.repetition_penalty());
  *assignment.mutable_stop() = std::move(*request.mutable_stop());
  return assignment;
}

}  // namespace

grpc::Status InferenceService::Generate(grpc::ServerContext* call,
                                        const v1::GenerateRequest* request,
                                        grpc::ServerWriter<v1::GenerateResponse>* stream) {
  const Status status = Answer(*call, *request, *stream);
  return status ? grpc::Status::OK : rpc::ToStatus(status.error());
}

Result<v1::GenerateAssignment> InferenceService::Check(const v1::GenerateRequest& request) const {
  LATHE_ASSIGN_OR_RETURN(v1::GenerateAssignment assignment, AssignmentOf(request));
  assignment.set_model(request.model());
  if (!request.job_id().empty()) {
    const runtime::JobPtr job = context_.view.Job(domain::JobId(request.job_id()));
    if (!job) return Failure(ErrorCode::kNotFound, "there is no job " + request.job_id() + ".");
    if (job->adapter.files.empty()) {
      return Failure(ErrorCode::kFailedPrecondition,
                     "job " + request.job_id() + " has no adapter: it is " +
                         std::string(domain::ToString(job->state)) + ".");
    }
    if (assignment.model().empty()) assignment.set_model(job->spec.base_model);
    *assignment.mutable_adapter() = sessions::ToProto(job->adapter);
  }
  const auto unknown = CheckBaseModel(assignment.model(), context_.view.Nodes());
  if (unknown && unknown->severity == Severity::kError) {
    return Failure(ErrorCode::kNotFound, unknown->message);
  }
  return assignment;
}

Status InferenceService::Answer(grpc::ServerContext& call, const v1::GenerateRequest& request,
                                grpc::ServerWriter<v1::GenerateResponse>& stream) const {
  LATHE_ASSIGN_OR_RETURN(v1::GenerateAssignment assignment, Check(request));
  LATHE_ASSIGN_OR_RETURN(const auto generation, context_.sessions.Generate(std::move(assignment)));
  while (true) {
    v1::GenerateChunk chunk;
    if (!generation->Take(chunk, kPatience)) {
      if (!call.IsCancelled() && !context_.stopping) continue;
      context_.sessions.EndGeneration(generation, /*cancel=*/true);
      return Failure(ErrorCode::kUnavailable, "the coordinator is stopping; ask again.");
    }
    if (chunk.has_error()) {
      context_.sessions.EndGeneration(generation, /*cancel=*/false);
      return Failure(rpc::FromProto(chunk.error()));
    }
    v1::GenerateResponse response;
    response.set_text(std::move(*chunk.mutable_text()));
    response.set_done(chunk.done());
    response.set_tokens(chunk.tokens());
    response.set_milliseconds(chunk.milliseconds());
    response.set_finish_reason(chunk.finish_reason());
    const bool written = stream.Write(response);
    if (written && !chunk.done()) continue;
    context_.sessions.EndGeneration(generation, /*cancel=*/!chunk.done());
    return {};
  }
}

}  // namespace lathe::api
