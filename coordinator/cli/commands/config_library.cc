#include "coordinator/cli/commands/config_library.h"

#include <algorithm>
#include <ostream>
#include <vector>

#include "common/rpc/status.h"
#include "common/schema/configuration.h"
#include "common/schema/templates.h"
#include "coordinator/cli/client/configuration_source.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/request_id.h"
#include "coordinator/cli/commands/job_text.h"
#include "coordinator/cli/output/format.h"
#include "coordinator/cli/output/print.h"
#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

constexpr unsigned kMaxPage = 1000;

std::vector<Finding> FindingsOf(const v1::SavedConfiguration& saved) {
  std::vector<Finding> findings;
  for (const v1::Finding& finding : saved.findings()) findings.push_back(rpc::FromProto(finding));
  return findings;
}

std::string ValidText(const v1::SavedConfiguration& saved) {
  if (saved.validated()) return "yes";
  return "no (" + std::to_string(saved.error_count()) + ")";
}

/// The content of a file, or, without one, of the template.
Result<schema::Imported> ReadContent(Context& context, const ConfigSaveOptions& options) {
  if (!options.file.empty()) return ImportFile(context, options.file);
  if (const schema::Template* found = schema::FindTemplate(options.template_name)) {
    return schema::Imported{schema::Dialect::kUniversal, found->configuration, {}};
  }
  return Failure(ErrorCode::kNotFound, "there is no template '" + options.template_name +
                                           "'; `lathe config templates` lists them");
}

template <class Request>
Result<Request> SaveRequestOf(Context& context, const ConfigSaveOptions& options) {
  LATHE_ASSIGN_OR_RETURN(schema::Imported content, ReadContent(context, options));
  // What could not be read would be missing from what is saved.
  const auto unread = [](const Finding& f) { return f.severity == Severity::kError; };
  if (std::any_of(content.findings.begin(), content.findings.end(), unread)) {
    return Failure(Error{ErrorCode::kInvalidArgument, options.file + " cannot be read",
                         std::move(content.findings)});
  }
  if (context.options.format == OutputFormat::kTable) PrintFindings(context, content.findings);
  const v1::SavedConfigurationName name = ParseSavedName(options.name);
  Request request;
  v1::SavedConfiguration& saved = *request.mutable_saved_configuration();
  saved.set_owner(name.owner());
  saved.set_name(name.name());
  saved.set_description(options.description);
  saved.set_template_(options.template_name);
  saved.set_project(options.project);
  saved.set_etag(options.etag);
  // As a message an older coordinator would silently drop what it does not know; as text it says
  // so.
  request.mutable_input()->set_text(schema::ToJson(content.configuration));
  request.mutable_input()->set_dialect(std::string(schema::ToString(schema::Dialect::kUniversal)));
  request.set_require_valid(options.require_valid);
  request.set_request_id(options.request_id.empty() ? NewRequestId() : options.request_id);
  return request;
}

/// What the options leave open stays as it is; a change that came in between is a conflict.
Result<v1::SavedConfiguration> Replace(Context& context, CoordinatorClient& client,
                                       const ConfigSaveOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto present,
                         client.GetSavedConfiguration(ParseSavedName(options.name)));
  ConfigSaveOptions all = options;
  const auto keep = [](std::string& option, const std::string& value) {
    if (option.empty()) option = value;
  };
  keep(all.description, present.description());
  keep(all.project, present.project());
  keep(all.etag, present.etag());
  v1::UpdateSavedConfigurationRequest request;
  if (options.file.empty() && options.template_name.empty()) {
    *request.mutable_saved_configuration() = present;
    request.mutable_saved_configuration()->set_description(all.description);
    request.mutable_saved_configuration()->set_project(all.project);
    request.mutable_saved_configuration()->set_etag(all.etag);
    request.set_require_valid(options.require_valid);
    return client.UpdateSavedConfiguration(request);
  }
  LATHE_ASSIGN_OR_RETURN(request, SaveRequestOf<v1::UpdateSavedConfigurationRequest>(context, all));
  if (options.template_name.empty()) {
    request.mutable_saved_configuration()->set_template_(present.template_());
  }
  return client.UpdateSavedConfiguration(request);
}

Result<v1::SavedConfiguration> Save(Context& context, CoordinatorClient& client,
                                    const ConfigSaveOptions& options) {
  if (options.replace) return Replace(context, client, options);
  LATHE_ASSIGN_OR_RETURN(const auto request,
                         SaveRequestOf<v1::CreateSavedConfigurationRequest>(context, options));
  auto saved = client.SaveConfiguration(request);
  if (!saved && saved.error().code == ErrorCode::kAlreadyExists) {
    saved.error().hint = "--replace changes the one that is there";
  }
  return saved;
}

v1::ListSavedConfigurationsRequest ListRequestOf(const ConfigListOptions& options) {
  v1::ListSavedConfigurationsRequest request;
  if (options.all) request.set_scope(v1::SAVED_CONFIGURATION_SCOPE_ALL);
  if (!options.project.empty()) {
    request.set_scope(v1::SAVED_CONFIGURATION_SCOPE_PROJECT);
    request.set_project(options.project);
  }
  if (options.order == "updated") request.set_order(v1::SAVED_CONFIGURATION_ORDER_UPDATED);
  if (options.order == "used") request.set_order(v1::SAVED_CONFIGURATION_ORDER_USED);
  v1::SavedConfigurationFilter& filter = *request.mutable_filter();
  filter.set_name(options.name);
  filter.set_template_(options.template_name);
  filter.set_method(options.method);
  filter.set_base_model(options.base_model);
  if (options.valid || options.invalid) filter.set_validated(options.valid);
  return request;
}

Result<std::vector<v1::SavedConfiguration>> Fetch(CoordinatorClient& client,
                                                  const ConfigListOptions& options) {
  v1::ListSavedConfigurationsRequest request = ListRequestOf(options);
  std::vector<v1::SavedConfiguration> found;
  do {
    const auto have = static_cast<unsigned>(found.size());
    request.set_page_size(options.limit == 0 ? kMaxPage : std::min(options.limit - have, kMaxPage));
    LATHE_ASSIGN_OR_RETURN(const auto page, client.ListSavedConfigurations(request));
    found.insert(found.end(), page.saved_configurations().begin(),
                 page.saved_configurations().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty() && (options.limit == 0 || found.size() < options.limit));
  return found;
}

std::string TableOf(const Context& context, const std::vector<v1::SavedConfiguration>& found) {
  Table table({{"NAME"},
               {"METHOD"},
               {"BASE MODEL"},
               {"TEMPLATE"},
               {"VALID"},
               {"USED", Align::kRight},
               {"UPDATED"},
               {"DESCRIPTION"}});
  for (const v1::SavedConfiguration& each : found) {
    table.AddRow({SavedNameText(context, each), each.method(), each.base_model(), each.template_(),
                  ValidText(each), std::to_string(each.times_used()),
                  AgeText(each.update_time(), NowSeconds()), each.description()});
  }
  return table.Render(context.terminal.out ? context.terminal.width : 0);
}

std::string TextOf(const v1::SavedConfiguration& saved) {
  std::string text;
  const auto line = [&](const char* label, const std::string& value) {
    if (!value.empty()) text += std::string(label) + value + "\n";
  };
  line("name         ", saved.name());
  line("owner        ", saved.owner());
  line("description  ", saved.description());
  line("template     ", saved.template_());
  line("shared with  ", saved.project());
  line("valid        ", ValidText(saved));
  line("used         ",
       std::to_string(saved.times_used()) +
           (saved.has_last_used_time() ? ", last " + AgeText(saved.last_used_time(), NowSeconds())
                                       : ""));
  line("created      ", AgeText(saved.create_time(), NowSeconds()));
  line("updated      ", AgeText(saved.update_time(), NowSeconds()));
  line("etag         ", saved.etag());
  return text + "configuration:\n" + Indented(ToYaml(ToDocument(saved.configuration())));
}

}  // namespace

Outcome RunConfigSave(Context& context, const ConfigSaveOptions& options) {
  if (options.file.empty() && options.template_name.empty() && !options.replace) {
    return Failure(ErrorCode::kInvalidArgument,
                   "say what to save: a file with -f, or a template with --template");
  }
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const auto saved, Save(context, *client, options));
  if (context.options.format == OutputFormat::kTable) PrintFindings(context, FindingsOf(saved));
  PrintResult(context, ToDocument(saved),
              saved.name() + (saved.validated() ? "" : " (with errors)") + "\n");
  return ExitCode::kOk;
}

Outcome RunConfigList(Context& context, const ConfigListOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const auto found, Fetch(*client, options));
  Document list = Document::array();
  for (const v1::SavedConfiguration& each : found) list.push_back(ToDocument(each));
  PrintResult(context, list, TableOf(context, found));
  if (found.empty()) Note(context, "Nothing is saved. `lathe config save --help` shows how.");
  return ExitCode::kOk;
}

Outcome RunConfigGet(Context& context, const ConfigGetOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto dialect, DialectOption(options.download));
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const auto saved,
                         client->GetSavedConfiguration(ParseSavedName(options.name)));
  if (!dialect) {
    if (context.options.format == OutputFormat::kTable) PrintFindings(context, FindingsOf(saved));
    PrintResult(context, ToDocument(saved), TextOf(saved));
    return ExitCode::kOk;
  }
  const schema::Exported written = schema::Export(saved.configuration(), *dialect);
  if (context.options.format == OutputFormat::kTable) PrintFindings(context, written.losses);
  PrintResult(context, Document::parse(written.text, nullptr, false), written.text);
  return ExitCode::kOk;
}

Outcome RunConfigCopy(Context& context, const ConfigCopyOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  v1::CopySavedConfigurationRequest request;
  *request.mutable_id() = ParseSavedName(options.name);
  request.set_name(options.copy);
  request.set_request_id(NewRequestId());
  LATHE_ASSIGN_OR_RETURN(const auto saved, client->CopySavedConfiguration(request));
  PrintResult(context, ToDocument(saved), saved.name() + "\n");
  return ExitCode::kOk;
}

Outcome RunConfigDelete(Context& context, const ConfigDeleteOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  v1::DeleteSavedConfigurationRequest request;
  *request.mutable_id() = ParseSavedName(options.name);
  request.set_etag(options.etag);
  LATHE_RETURN_IF_ERROR(client->DeleteSavedConfiguration(request));
  PrintResult(context, {{"deleted", options.name}}, options.name + " is deleted\n");
  return ExitCode::kOk;
}

}  // namespace lathe::cli
