#include "coordinator/cli/commands/provider_job.h"

#include <sstream>

#include "common/schema/configuration.h"
#include "coordinator/cli/client/configuration_file.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/request_id.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {
namespace {

std::string StateText(const v1::ProviderJob& job) {
  std::ostringstream text;
  text << (job.state() == v1::JOB_STATE_UNSPECIFIED
               ? "unknown"
               : Token("JobState", v1::JobState_Name(job.state())));
  if (!job.provider_state().empty()) text << " (" << job.provider_state() << ")";
  if (job.has_fraction()) text << "  " << static_cast<int>(job.fraction() * 100) << " %";
  text << "\n";
  if (!job.model().empty()) text << "model  " << job.model() << "\n";
  if (!job.error().empty()) text << "error  " << job.error() << "\n";
  for (const v1::ProviderJobEvent& event : job.events()) {
    text << "  " << event.message();
    if (event.has_step()) text << "  step " << event.step();
    if (event.has_loss()) text << "  loss " << event.loss();
    if (event.has_evaluation_loss()) text << "  eval " << event.evaluation_loss();
    text << "\n";
  }
  return text.str();
}

Outcome Show(Context& context, const Result<v1::ProviderJob>& job) {
  if (!job) return Failure(job.error());
  PrintResult(context, ToDocument(*job), StateText(*job));
  return ExitCode::kOk;
}

template <class SetId>
Status Upload(CoordinatorClient& client, const std::filesystem::path& file, SetId set_id) {
  if (file.empty()) return {};
  auto stored = client.Artifacts().UploadFile(file);
  if (!stored) return Failure(client.Explained(std::move(stored.error())));
  set_id("sha256:" + stored->sha256());
  return {};
}

}  // namespace

Outcome RunProviderStart(Context& context, const ProviderStartOptions& options) {
  LATHE_ASSIGN_OR_RETURN(schema::Parsed parsed, ReadConfiguration(options.file, context.in));
  if (HasErrors(parsed.findings)) {
    return Failure(Error{ErrorCode::kInvalidArgument, options.file + " is not valid",
                         parsed.findings, "`lathe config schema` describes every parameter"});
  }
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  auto& datasets = *parsed.configuration.mutable_datasets();
  LATHE_RETURN_IF_ERROR(Upload(*client, options.dataset,
                               [&](const std::string& id) { datasets.set_training_file_id(id); }));
  LATHE_RETURN_IF_ERROR(Upload(*client, options.validation, [&](const std::string& id) {
    datasets.set_validation_file_id(id);
  }));
  v1::StartProviderJobRequest request;
  request.set_provider(options.id);
  request.set_configuration_json(schema::ToJson(parsed.configuration));
  request.set_request_id(options.request_id.empty() ? NewRequestId() : options.request_id);
  auto job = client->StartProviderJob(request);
  if (!job && IsPassing(job.error().code)) {
    job.error().hint = "the same call with --request-id " + request.request_id() +
                       " finds the job or starts it, never twice";
  }
  if (!job) return Failure(job.error());
  PrintResult(context, ToDocument(*job), job->id() + "\n");
  return ExitCode::kOk;
}

Outcome RunProviderStatus(Context& context, const ProviderJobOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  return Show(context, client->GetProviderJob(options.id, options.job));
}

Outcome RunProviderCancel(Context& context, const ProviderJobOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  return Show(context, client->CancelProviderJob(options.id, options.job));
}

}  // namespace lathe::cli
