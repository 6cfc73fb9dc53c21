#include "coordinator/cli/commands/get.h"

#include "common/schema/configuration.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/job_reference.h"
#include "coordinator/cli/commands/job_text.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"

namespace lathe::cli {
namespace {

std::string Resources(const v1::ResourceRequest& resources) {
  if (resources.gpus() == 0) return std::to_string(resources.cpu_slots()) + " CPU slot(s)";
  return std::to_string(resources.gpus()) + " GPU(s) " + resources.gpu_type();
}

/// What a person asks first, then the configuration as YAML.
std::string TextOf(const Context& context, const v1::Job& job) {
  const v1::Progress& progress = job.progress();
  std::string text;
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) text += std::string(label) + value + "\n";
  };
  line("id           ", job.id());
  line("name         ", job.name());
  line("state        ", ColoredState(context.terminal, job.state()));
  line("reason       ", job.reason());
  line("progress     ", ProgressText(progress));
  line("loss         ", progress.has_loss() ? FormatLoss(progress.loss()) : "");
  line("accuracy     ",
       progress.has_token_accuracy() ? FormatPercent(progress.token_accuracy()) : "");
  line("eval loss    ",
       progress.has_evaluation_loss() ? FormatLoss(progress.evaluation_loss()) : "");
  line("perplexity   ",
       progress.has_evaluation_perplexity() ? FormatLoss(progress.evaluation_perplexity()) : "");
  line("tool calls   ", progress.has_evaluation_tool_accuracy()
                            ? FormatPercent(progress.evaluation_tool_accuracy())
                            : "");
  line("quality      ", progress.has_evaluation_response_quality()
                            ? FormatPercent(progress.evaluation_response_quality())
                            : "");
  line("ETA          ", progress.has_eta_seconds() && !IsFinal(job.state())
                            ? FormatDuration(progress.eta_seconds())
                            : "");
  line("attempt      ", job.attempt() > 0 ? std::to_string(job.attempt()) : "");
  line("node         ", job.node_id());
  if (IsOnCluster(job)) {
    line("needs        ", Resources(job.resources()));
  } else {
    line("engine       ", job.provider());
    line("its id       ", job.provider_job_id());
    line("its state    ", job.provider_state());
    line("model        ", job.provider_model());
  }
  line("owner        ", job.owner());
  line("made from    ", job.configuration_source());
  line("priority     ", std::to_string(job.priority()));
  line("created      ", AgeText(job.create_time(), NowSeconds()));
  line("started      ", AgeText(job.start_time(), NowSeconds()));
  line("ended        ", AgeText(job.end_time(), NowSeconds()));
  for (const auto& file : job.adapter().files()) {
    line("adapter      ", file.path() + " (" + FormatBytes(file.blob().size_bytes()) + ")");
  }
  return text + "configuration:\n" + Indented(ToYaml(ToDocument(job.configuration())));
}

}  // namespace

Outcome RunGet(Context& context, const GetOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const std::string id, ResolveJobId(*client, options.job));
  LATHE_ASSIGN_OR_RETURN(const v1::Job job, client->GetJob(id));
  PrintResult(context, ToDocument(job), TextOf(context, job));
  return ExitCode::kOk;
}

Outcome RunExplain(Context& context, const ExplainOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const std::string id, ResolveJobId(*client, options.job));
  LATHE_ASSIGN_OR_RETURN(const v1::Job job, client->GetJob(id));
  PrintResult(context,
              {{"id", job.id()},
               {"state", StateToken(job.state())},
               {"reason", job.reason()},
               {"reasonCode", job.reason_code()}},
              ColoredState(context.terminal, job.state()) + ": " + job.reason() + "\n");
  return ExitCode::kOk;
}

Outcome RunCancel(Context& context, const CancelOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const std::string id, ResolveJobId(*client, options.job));
  v1::CancelJobRequest request;
  request.set_id(id);
  request.set_reason(options.reason);
  LATHE_ASSIGN_OR_RETURN(const v1::Job job, client->CancelJob(request));
  PrintResult(context, ToDocument(job),
              job.id() + " " + ColoredState(context.terminal, job.state()) +
                  (job.reason().empty() ? "" : ": " + job.reason()) + "\n");
  return ExitCode::kOk;
}

}  // namespace lathe::cli
