#include "coordinator/api/inference_service.h"

#include <algorithm>
#include <utility>

#include "common/rpc/status.h"
#include "coordinator/api/model_names.h"
#include "coordinator/sessions/proto_convert.h"

namespace lathe::api {
namespace {

constexpr std::uint32_t kDefaultTokens = 128;
constexpr std::uint32_t kMostTokens = 4096;
constexpr std::uint32_t kMostTopK = 1U << 24;
constexpr int kMostMessages = 1000;
constexpr int kMostStops = 16;
constexpr std::size_t kLongestStop = 256;

void CheckNumbers(const v1::GenerateRequest& request, std::vector<Finding>& findings) {
  const auto add = [&](const std::string& path, const std::string& expected) {
    findings.push_back({path, Severity::kError, "out_of_range", path + " must be " + expected + ".",
                        "", expected});
  };
  if (request.messages_size() == 0 || request.messages_size() > kMostMessages) {
    add("messages", "1 to 1000 messages");
  }
  if (request.max_tokens() > kMostTokens) add("max_tokens", "at most 4096");
  if (!(request.temperature() >= 0 && request.temperature() <= 100)) {
    add("temperature", "from 0 to 100");
  }
  if (!(request.top_p() >= 0 && request.top_p() <= 1)) add("top_p", "from 0 to 1");
  if (request.top_k() > kMostTopK) add("top_k", "at most 16777216");
  const double penalty = request.repetition_penalty();
  if (penalty != 0 && !(penalty >= 0.01 && penalty <= 100)) {
    add("repetition_penalty", "from 0.01 to 100");
  }
  if (request.stop_size() > kMostStops) add("stop", "at most 16 texts");
  for (int i = 0; i < std::min(request.stop_size(), kMostStops); ++i) {
    const std::string& stop = request.stop(i);
    if (stop.empty() || stop.size() > kLongestStop || stop.find('\0') != std::string::npos) {
      add("stop[" + std::to_string(i) + "]", "a text of 1 to 256 bytes, none of them 0");
    }
  }
}

}  // namespace

grpc::Status InferenceService::Generate(grpc::ServerContext* call,
                                        const v1::GenerateRequest* request,
                                        grpc::ServerWriter<v1::GenerateResponse>* stream) {
  const Status status = Answer(*call, *request, *stream);
  return status ? grpc::Status::OK : rpc::ToStatus(status.error());
}

Result<v1::GenerateAssignment> InferenceService::Check(const v1::GenerateRequest& request) const {
  v1::GenerateAssignment assignment;
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
  std::vector<Finding> findings;
  CheckNumbers(request, findings);
  if (!findings.empty()) {
    return Failure(Error{ErrorCode::kInvalidArgument, "the question cannot be answered as it is",
                         std::move(findings)});
  }
  const auto unknown = CheckBaseModel(assignment.model(), context_.view.Nodes());
  if (unknown && unknown->severity == Severity::kError) {
    return Failure(ErrorCode::kNotFound, unknown->message);
  }
  *assignment.mutable_messages() = request.messages();
  assignment.set_max_tokens(request.max_tokens() == 0 ? kDefaultTokens : request.max_tokens());
  assignment.set_temperature(request.temperature());
  assignment.set_top_p(request.top_p() == 0 ? 1 : request.top_p());
  assignment.set_seed(request.seed());
  assignment.set_top_k(request.top_k());
  assignment.set_repetition_penalty(
      request.repetition_penalty() == 0 ? 1 : request.repetition_penalty());
  *assignment.mutable_stop() = request.stop();
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
