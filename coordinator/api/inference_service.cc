#include "coordinator/api/inference_service.h"

#include <utility>

#include "common/rpc/status.h"
#include "common/schema/configuration.h"
#include "common/schema/migrate.h"
#include "common/schema/values.h"
#include "coordinator/api/asked_adapters.h"
#include "coordinator/api/model_names.h"

namespace lathe::api {
namespace {

/// What is asked for, with its defaults; to which worker it goes is not said yet.
v1::GenerateAssignment AssignmentOf(v1::GenerateRequest request, AskedAdapters adapters) {
  schema::FillDefaults(request);
  v1::GenerateAssignment assignment;
  assignment.set_model(request.model().empty() ? adapters.base_model : request.model());
  *assignment.mutable_messages() = std::move(*request.mutable_messages());
  assignment.set_max_tokens(request.max_tokens());
  assignment.set_temperature(request.temperature());
  assignment.set_top_p(request.top_p());
  assignment.set_seed(request.seed());
  assignment.set_top_k(request.top_k());
  assignment.set_repetition_penalty(request.repetition_penalty());
  *assignment.mutable_stop() = std::move(*request.mutable_stop());
  if (request.has_composition()) {
    *assignment.mutable_composition() = std::move(*request.mutable_composition());
    *assignment.mutable_composed_adapters() = {adapters.files.begin(), adapters.files.end()};
  } else if (!adapters.files.empty()) {
    *assignment.mutable_adapter() = std::move(adapters.files[0]);
  }
  return assignment;
}

JobFacts FactsOf(const Context& context) {
  return {.find = [&context](const domain::JobId& id) { return context.view.Job(id); },
          .method_of = [&context](const domain::Job& job) -> Result<v1::MethodType> {
            LATHE_ASSIGN_OR_RETURN(const std::string stored,
                                   context.configurations.Read(job.spec.configuration_hash));
            LATHE_ASSIGN_OR_RETURN(
                const v1::JobConfiguration configuration,
                schema::ReadStored(stored, static_cast<int>(job.spec.schema_version)));
            return schema::Resolve(configuration).method().type();
          },
          .layers_of = [&context](const std::string& model) -> std::optional<std::int64_t> {
            const auto shape = context.sessions.facts().ShapeOf(model);
            return shape ? std::optional(shape->layers) : std::nullopt;
          }};
}

}  // namespace

grpc::Status InferenceService::Generate(grpc::ServerContext* call,
                                        const v1::GenerateRequest* request,
                                        grpc::ServerWriter<v1::GenerateResponse>* stream) {
  const Status status = Answer(*call, *request, *stream);
  return status ? grpc::Status::OK : rpc::ToStatus(status.error());
}

Result<v1::GenerateAssignment> InferenceService::Check(const v1::GenerateRequest& request) const {
  Refusals refusals;
  for (Finding& finding : schema::CheckValues(request)) {
    if (finding.severity == Severity::kWarning) continue;
    refusals.Add(ErrorCode::kInvalidArgument, std::move(finding));
  }
  LATHE_ASSIGN_OR_RETURN(AskedAdapters adapters,
                         FindAdapters(request, FactsOf(context_), refusals));
  const bool by_jobs = !request.job_id().empty() || request.has_composition();
  const std::string& model = request.model().empty() ? adapters.base_model : request.model();
  auto unknown = CheckBaseModel(model, *context_.view.Nodes());
  // Of jobs that are not there, nobody knows the model.
  if (by_jobs && model.empty()) unknown.reset();
  if (unknown && unknown->severity == Severity::kError) {
    unknown->path = "model";
    std::string sentence = unknown->message;
    refusals.Add(ErrorCode::kNotFound, std::move(*unknown), std::move(sentence));
  }
  if (!refusals.empty()) return Failure(std::move(refusals).Take());
  return AssignmentOf(request, std::move(adapters));
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
