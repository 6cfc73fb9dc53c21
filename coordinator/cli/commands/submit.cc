#include "coordinator/cli/commands/submit.h"

#include <chrono>
#include <optional>
#include <ostream>
#include <thread>

#include "common/artifacts/manifest.h"
#include "common/artifacts/sha256.h"
#include "common/rpc/backoff.h"
#include "common/schema/configuration.h"
#include "coordinator/cli/client/configuration_file.h"
#include "coordinator/cli/client/configuration_source.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/findings.h"
#include "coordinator/cli/client/job_reference.h"
#include "coordinator/cli/client/request_id.h"
#include "coordinator/cli/commands/estimate_view.h"
#include "coordinator/cli/commands/watch.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"
#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

// How long a coordinator that restarts is waited for.
constexpr std::chrono::seconds kRetryLimit{5};

/// Calls until it succeeds, fails for good, or the coordinator stays away. `call` is safe to
/// repeat.
template <class Call>
auto WithRetry(Context& context, const Call& call) -> decltype(call()) {
  rpc::Backoff backoff(std::chrono::milliseconds(200), std::chrono::seconds(2), 1);
  const auto deadline = std::chrono::steady_clock::now() + kRetryLimit;
  bool noted = false;
  while (true) {
    auto result = call();
    if (result || result.error().code != ErrorCode::kUnavailable) return result;
    const Duration wait = backoff.Next();
    if (std::chrono::steady_clock::now() + wait >= deadline) return result;
    if (!noted) Note(context, result.error().message + "; trying again ...");
    noted = true;
    std::this_thread::sleep_for(wait);
  }
}

struct Dataset {
  std::filesystem::path file;
  v1::Blob blob;
};

/// An adapter's folder and what it held when it was looked at.
struct AdapterFolder {
  std::filesystem::path folder;
  std::string manifest;
};

/// What is sent besides the request, under names that the configuration has.
struct Inputs {
  std::vector<Dataset> datasets;
  std::optional<AdapterFolder> adapter;
};

Status DescribeAdapter(const std::string& given, v1::LoraConfiguration& configuration,
                       Inputs& inputs) {
  std::error_code error;
  if (given.empty() || !std::filesystem::is_directory(given, error)) {
    if (!given.empty()) configuration.set_init_from(given);
    return {};
  }
  LATHE_ASSIGN_OR_RETURN(const v1::Manifest manifest, artifacts::DescribeFolder(given));
  inputs.adapter = AdapterFolder{given, artifacts::ManifestText(manifest)};
  artifacts::Sha256 hash;
  hash.Update(inputs.adapter->manifest);
  configuration.set_init_from("sha256:" + hash.Finish());
  return {};
}

/// Describes the files and sets their ids in the configuration.
Result<Inputs> Describe(const SubmitOptions& options, v1::JobConfiguration& configuration) {
  Inputs inputs;
  const auto add = [&](const std::filesystem::path& file, auto set_id) -> Status {
    if (file.empty()) return {};
    LATHE_ASSIGN_OR_RETURN(const v1::Blob blob, artifacts::DescribeFile(file));
    if (blob.size_bytes() == 0) {
      return Failure(ErrorCode::kInvalidArgument, "the dataset " + file.string() + " is empty");
    }
    set_id("sha256:" + blob.sha256());
    inputs.datasets.push_back({file, blob});
    return {};
  };
  auto& fields = *configuration.mutable_datasets();
  LATHE_RETURN_IF_ERROR(
      add(options.dataset, [&](const std::string& id) { fields.set_training_file_id(id); }));
  LATHE_RETURN_IF_ERROR(
      add(options.validation, [&](const std::string& id) { fields.set_validation_file_id(id); }));
  if (!options.init_from.empty()) {
    LATHE_RETURN_IF_ERROR(DescribeAdapter(
        options.init_from, *configuration.mutable_method()->mutable_lora_config(), inputs));
  }
  return inputs;
}

struct Prepared {
  v1::CreateJobRequest request;
  Inputs inputs;
  std::vector<Finding> errors;  ///< that were found here
};

Result<schema::Parsed> ReadGiven(Context& context, const SubmitOptions& options) {
  if (options.template_name.empty()) return ReadConfiguration(options.file, context.in);
  LATHE_ASSIGN_OR_RETURN(auto configuration,
                         ReadAnyConfiguration(context, "template:" + options.template_name));
  return schema::Parsed{std::move(configuration), {}};
}

/// The errors of what can be checked without the coordinator, every one at once. Warnings come from
/// it, once.
std::vector<Finding> LocalErrors(const schema::Parsed& parsed,
                                 const std::vector<Finding>& set_findings) {
  std::vector<Finding> findings = schema::AllFindings(parsed);
  findings.insert(findings.end(), set_findings.begin(), set_findings.end());
  std::erase_if(findings, [](const Finding& f) { return f.severity != Severity::kError; });
  return findings;
}

/// What is set above a template or saved configuration, as the coordinator takes it.
void AddAssignments(const SubmitOptions& options, const v1::JobConfiguration& configuration,
                    v1::CreateJobRequest& request) {
  for (const std::string& assignment : options.set) request.add_set(assignment);
  const auto& datasets = configuration.datasets();
  if (!options.dataset.empty()) {
    request.add_set("datasets.trainingFileId=" + datasets.training_file_id());
  }
  if (!options.validation.empty()) {
    request.add_set("datasets.validationFileId=" + datasets.validation_file_id());
  }
  if (!options.init_from.empty()) {
    request.add_set("method.loraConfig.initFrom=" +
                    configuration.method().lora_config().init_from());
  }
}

/// From what the coordinator has.
Result<Prepared> PrepareStored(const SubmitOptions& options) {
  Prepared prepared;
  v1::JobConfiguration named;
  LATHE_ASSIGN_OR_RETURN(prepared.inputs, Describe(options, named));
  if (!options.saved.empty()) {
    *prepared.request.mutable_saved_configuration() = ParseSavedName(options.saved);
  }
  AddAssignments(options, named, prepared.request);
  return prepared;
}

Result<Prepared> Prepare(Context& context, const SubmitOptions& options) {
  if (!options.saved.empty() || !options.source_job.empty()) return PrepareStored(options);
  LATHE_ASSIGN_OR_RETURN(schema::Parsed parsed, ReadGiven(context, options));
  std::vector<Finding> set_findings;
  LATHE_RETURN_IF_ERROR(SetAll(options.set, parsed.configuration, set_findings));
  Prepared prepared;
  LATHE_ASSIGN_OR_RETURN(prepared.inputs, Describe(options, parsed.configuration));
  prepared.errors = LocalErrors(parsed, set_findings);
  if (options.template_name.empty()) {
    // As a message an older coordinator would silently drop what it does not know; as text it says
    // so.
    prepared.request.set_configuration_json(schema::ToJson(parsed.configuration));
  } else {
    prepared.request.set_template_(options.template_name);
    AddAssignments(options, parsed.configuration, prepared.request);
  }
  return prepared;
}

Status Changed(const std::filesystem::path& what) {
  return Failure(ErrorCode::kAborted, what.string() + " changed while it was sent");
}

Status UploadAdapter(Context& context, CoordinatorClient& client, const AdapterFolder& adapter) {
  Note(context, "adapter " + adapter.folder.string() + " ...");
  const auto stored = WithRetry(context, [&]() -> Result<v1::Manifest> {
    auto uploaded = client.Artifacts().UploadFolder(adapter.folder);
    if (!uploaded) return Failure(client.Explained(std::move(uploaded.error())));
    const auto named = client.Artifacts().UploadBytes(artifacts::ManifestText(*uploaded));
    if (!named) return Failure(client.Explained(named.error()));
    return uploaded;
  });
  if (!stored) return Failure(stored.error());
  if (artifacts::ManifestText(*stored) != adapter.manifest) return Changed(adapter.folder);
  return {};
}

Status UploadDatasets(Context& context, CoordinatorClient& client,
                      const std::vector<Dataset>& datasets) {
  for (const Dataset& dataset : datasets) {
    Note(context, "dataset " + dataset.file.string() + " (" +
                      FormatBytes(dataset.blob.size_bytes()) + ") ...");
    const auto stored = WithRetry(context, [&]() -> Result<v1::Blob> {
      auto uploaded = client.Artifacts().UploadFile(dataset.file);
      if (!uploaded) return Failure(client.Explained(std::move(uploaded.error())));
      return uploaded;
    });
    if (!stored) return Failure(stored.error());
    if (stored->sha256() != dataset.blob.sha256()) return Changed(dataset.file);
  }
  return {};
}

Status Upload(Context& context, CoordinatorClient& client, const Inputs& inputs) {
  LATHE_RETURN_IF_ERROR(UploadDatasets(context, client, inputs.datasets));
  return inputs.adapter ? UploadAdapter(context, client, *inputs.adapter) : Status();
}

void Complete(const SubmitOptions& options, v1::CreateJobRequest& request) {
  request.set_name(options.name);
  request.set_priority(options.priority);
  request.set_request_id(options.request_id.empty() ? NewRequestId() : options.request_id);
  request.set_validate_only(options.dry_run || options.estimate_only);
  request.set_brief(!options.dry_run);
  request.set_provider(options.provider);
}

std::vector<Finding> FindingsOf(const v1::CreateJobResponse& response) {
  std::vector<Finding> findings;
  for (const v1::Finding& f : response.findings()) {
    findings.push_back(
        {f.path(), Severity::kWarning, f.code(), f.message(), f.given(), f.expected()});
  }
  return findings;
}

/// null where there is none.
Document EstimateOf(const v1::CreateJobResponse& response) {
  return response.has_estimate() ? EstimateDocument(response.estimate()) : Document();
}

/// Each value that the trainer would get, and where it comes from.
void PrintDryRun(Context& context, const v1::CreateJobResponse& response) {
  Table table({{"PARAMETER"}, {"VALUE"}, {"SOURCE"}});
  Document values = Document::array();
  for (const v1::ResolvedValue& value : response.values()) {
    table.AddRow(
        {value.path(), value.value(),
         value.reason().empty() ? value.source() : value.source() + ": " + value.reason()});
    Document& entry = values.emplace_back();
    entry = {{"path", value.path()},
             {"value", Document::parse(value.value(), nullptr, false)},
             {"source", value.source()}};
    if (!value.reason().empty()) entry["reason"] = value.reason();
  }
  PrintResult(
      context,
      {{"configuration", Document::parse(response.resolved_configuration_json(), nullptr, false)},
       {"values", values},
       {"estimate", EstimateOf(response)},
       {"findings", FindingsDocument(FindingsOf(response))}},
      table.Render(context.terminal.out ? context.terminal.width : 0) +
          (response.has_estimate() ? "\n" + EstimateText(response.estimate()) : ""));
}

Status PrintEstimate(Context& context, const v1::CreateJobResponse& response) {
  if (response.job().provider() != "lathe") {
    return Failure(ErrorCode::kFailedPrecondition,
                   "the configuration can go to " + response.job().provider() +
                       ", which does not tell beforehand what a job takes; estimates are for jobs "
                       "of this cluster");
  }
  if (!response.has_estimate()) {
    return Failure(Error{ErrorCode::kUnavailable,
                         "no worker has told the shape of this base model yet",
                         {},
                         "a worker looks at new models within seconds; `lathe node list` shows "
                         "which are there"});
  }
  PrintResult(context, EstimateDocument(response.estimate()), EstimateText(response.estimate()));
  return {};
}

void PrintCreated(Context& context, const v1::CreateJobResponse& response) {
  PrintResult(context,
              {{"id", response.job().id()},
               {"job", ToDocument(response.job())},
               {"estimate", EstimateOf(response)},
               {"findings", FindingsDocument(FindingsOf(response))}},
              response.job().id() + "\n");
}

/// Whether a finding is about a file that is still to be sent.
bool ComesWithUpload(const Finding& finding, const SubmitOptions& options, const Inputs& inputs) {
  if (finding.code != "not_found") return false;
  return (finding.path == "datasets.trainingFileId" && !options.dataset.empty()) ||
         (finding.path == "datasets.validationFileId" && !options.validation.empty()) ||
         (finding.path == "method.loraConfig.initFrom" && inputs.adapter);
}

/// Everything that is wrong where something was found here: also what the coordinator finds in the
/// rest, where it can be asked. Nothing is sent but the configuration.
Error Refusal(Context& context, const SubmitOptions& options, Prepared prepared) {
  Error error{ErrorCode::kInvalidArgument, "the configuration is not valid",
              std::move(prepared.errors), "`lathe config schema` describes every parameter"};
  if (!IsReadable(error.findings)) return error;
  const auto client = CoordinatorClient::Create(context);
  if (!client) return error;
  prepared.request.set_validate_only(true);
  auto answer = (*client)->CreateJob(prepared.request);
  if (answer) return error;
  std::vector<Finding>& more = answer.error().findings;
  std::erase_if(more, [&](const Finding& finding) {
    return finding.severity != Severity::kError ||
           ComesWithUpload(finding, options, prepared.inputs);
  });
  AddUnsaid(std::move(more), error.findings);
  return error;
}

/// Asks before data is sent: it can be large, and need not leave for a job that would be refused.
Status CheckFirst(Context& context, CoordinatorClient& client, const SubmitOptions& options,
                  const Prepared& prepared) {
  if (prepared.inputs.datasets.empty() && !prepared.inputs.adapter) return {};
  v1::CreateJobRequest request = prepared.request;
  request.set_validate_only(true);
  auto answer = WithRetry(context, [&] { return client.CreateJob(request); });
  if (answer) return {};
  Error error = std::move(answer.error());
  if (error.findings.empty()) return Failure(std::move(error));
  std::erase_if(error.findings, [&](const Finding& finding) {
    return ComesWithUpload(finding, options, prepared.inputs);
  });
  if (!HasErrors(error.findings)) return {};
  return Failure(std::move(error));
}

}  // namespace

Outcome RunSubmit(Context& context, const SubmitOptions& options) {
  LATHE_ASSIGN_OR_RETURN(Prepared prepared, Prepare(context, options));
  Complete(options, prepared.request);
  if (!prepared.errors.empty()) return Failure(Refusal(context, options, std::move(prepared)));
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  if (!options.source_job.empty()) {
    LATHE_ASSIGN_OR_RETURN(std::string source, ResolveJobId(*client, options.source_job));
    prepared.request.set_source_job(std::move(source));
  }
  LATHE_RETURN_IF_ERROR(CheckFirst(context, *client, options, prepared));
  LATHE_RETURN_IF_ERROR(Upload(context, *client, prepared.inputs));
  const v1::CreateJobRequest& request = prepared.request;
  LATHE_ASSIGN_OR_RETURN(const v1::CreateJobResponse response,
                         WithRetry(context, [&] { return client->CreateJob(request); }));
  if (context.options.format == OutputFormat::kTable) PrintFindings(context, FindingsOf(response));
  if (options.estimate_only) {
    LATHE_RETURN_IF_ERROR(PrintEstimate(context, response));
    return ExitCode::kOk;
  }
  if (options.dry_run) {
    PrintDryRun(context, response);
    return ExitCode::kOk;
  }
  if (context.options.format == OutputFormat::kTable && response.has_estimate()) {
    Note(context, EstimateLine(response.estimate()));
  }
  PrintCreated(context, response);
  if (!options.watch) return ExitCode::kOk;
  return RunWatch(context, {.job = response.job().id()});
}

}  // namespace lathe::cli
