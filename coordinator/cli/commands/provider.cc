#include "coordinator/cli/commands/provider.h"

#include <sstream>

#include "common/schema/configuration.h"
#include "coordinator/cli/client/configuration_file.h"
#include "coordinator/cli/client/configuration_source.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/findings.h"
#include "coordinator/cli/output/print.h"
#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

template <class Words>
std::string Joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

std::string RangeText(const v1::ParameterLimit& limit) {
  std::ostringstream text;
  if (!limit.tokens().empty()) text << Joined(limit.tokens());
  if (limit.has_min()) text << "at least " << limit.min() << (limit.has_max() ? ", " : "");
  if (limit.has_max()) {
    text << (limit.exclusive_max() ? "less than " : "at most ") << limit.max();
  }
  if (limit.max_length() > 0) text << "at most " << limit.max_length() << " characters";
  return text.str();
}

std::string CapabilitiesText(const v1::ProviderCapabilities& engine, int width) {
  std::ostringstream text;
  text << engine.title() << (engine.can_start() ? "" : ": cannot start jobs. " + engine.reason())
       << "\n";
  if (!engine.note().empty()) text << engine.note() << "\n";
  const auto line = [&](const char* name, const std::string& words) {
    if (!words.empty()) text << name << words << "\n";
  };
  line("methods        ", Joined(engine.methods()));
  line("objectives     ", Joined(engine.objectives()));
  line("precisions     ", Joined(engine.precisions()));
  line("optimisations  ", Joined(engine.optimizations()));
  line("required       ", Joined(engine.required()));
  line("models         ", Joined(engine.models()));
  line("left out       ", Joined(engine.unsupported()));
  Table limits({{"STRICTER THAN THE SCHEMA"}, {"LIMIT"}});
  for (const v1::ParameterLimit& limit : engine.limits()) {
    limits.AddRow({limit.path(), RangeText(limit)});
  }
  if (!engine.limits().empty()) text << "\n" << limits.Render(width);
  Table custom({{"CUSTOM PARAMETER"}, {"TYPE"}, {"DESCRIPTION"}});
  for (const v1::CustomParameter& parameter : engine.custom_parameters()) {
    custom.AddRow({"metadata." + engine.id() + "." + parameter.name(),
                   parameter.type() + (parameter.required() ? ", required" : ""),
                   parameter.description()});
  }
  if (!engine.custom_parameters().empty()) text << "\n" << custom.Render(width);
  return text.str();
}

Document RequestDocument(const v1::ProviderRequest& request) {
  Document out = {{"name", request.name()}, {"method", request.method()}, {"url", request.url()}};
  const auto add_map = [&](const char* key, const auto& entries) {
    for (const auto& [name, value] : entries) out[key][name] = value;
  };
  add_map("headers", request.headers());
  if (!request.body_json().empty()) {
    out["body"] = Document::parse(request.body_json(), nullptr, false);
  }
  add_map("form", request.form());
  if (!request.file().empty()) {
    out["file"] = {{"part", request.file_part()}, {"dataset", request.file()}};
  }
  return out;
}

std::string RequestText(const v1::ProviderRequest& request) {
  std::string text = request.method() + " " + request.url() + "\n";
  const auto add = [&](const std::string& name, const std::string& value) {
    text += "  " + name + ": " + value + "\n";
  };
  for (const auto& [name, value] : request.headers()) add(name, value);
  for (const auto& [name, value] : request.form()) add("form " + name, value);
  if (!request.file().empty()) add(request.file_part(), "<the " + request.file() + " file>");
  if (!request.body_json().empty()) {
    text += Document::parse(request.body_json(), nullptr, false).dump(2) + "\n";
  }
  return text;
}

std::vector<Finding> FindingsOf(const v1::TranslateConfigurationResponse& response) {
  std::vector<Finding> findings;
  for (const v1::Finding& f : response.findings()) {
    findings.push_back(
        {f.path(), Severity::kWarning, f.code(), f.message(), f.given(), f.expected()});
  }
  return findings;
}

int Width(const Context& context) {
  return context.terminal.out ? context.terminal.width : 0;
}

}  // namespace

Outcome RunProviderList(Context& context) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const v1::ListProvidersResponse response, client->ListProviders());
  Document list = Document::array();
  Table table({{"ID"}, {"ENGINE"}, {"STARTS JOBS"}, {"METHODS"}, {"OBJECTIVES"}, {"REMARK"}});
  for (const v1::ProviderCapabilities& engine : response.providers()) {
    list.push_back(ToDocument(engine));
    table.AddRow({engine.id(), engine.title(), engine.can_start() ? "yes" : "no",
                  Joined(engine.methods()), Joined(engine.objectives()),
                  engine.can_start() ? engine.note() : engine.reason()});
  }
  PrintResult(context, list, table.Render(Width(context)));
  return ExitCode::kOk;
}

Outcome RunProviderCapabilities(Context& context, const ProviderCapabilitiesOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const v1::ProviderCapabilities engine,
                         client->GetProviderCapabilities(options.id));
  PrintResult(context, ToDocument(engine), CapabilitiesText(engine, Width(context)));
  return ExitCode::kOk;
}

Outcome RunProviderTranslate(Context& context, const ProviderTranslateOptions& options) {
  LATHE_ASSIGN_OR_RETURN(schema::Parsed parsed, ReadConfiguration(options.file, context.in));
  LATHE_RETURN_IF_ERROR(SetAll(options.set, parsed.configuration, parsed.findings));
  Error wrong{ErrorCode::kInvalidArgument, options.file + " is not valid", parsed.findings,
              "`lathe config schema` describes every parameter"};
  if (!IsReadable(wrong.findings)) return Failure(std::move(wrong));
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  v1::TranslateConfigurationRequest request;
  request.set_provider(options.id);
  request.set_configuration_json(schema::ToJson(parsed.configuration));
  auto answer = client->TranslateConfiguration(request);
  if (HasErrors(wrong.findings)) {
    if (!answer) AddUnsaid(std::move(answer.error().findings), wrong.findings);
    return Failure(std::move(wrong));
  }
  if (!answer) return Failure(std::move(answer.error()));
  const v1::TranslateConfigurationResponse& response = *answer;
  const std::vector<Finding> findings = FindingsOf(response);
  Document requests = Document::array();
  std::string text;
  for (const v1::ProviderRequest& step : response.requests()) {
    requests.push_back(RequestDocument(step));
    text += (text.empty() ? "" : "\n") + RequestText(step);
  }
  if (context.options.format == OutputFormat::kTable) PrintFindings(context, findings);
  PrintResult(context, {{"requests", requests}, {"findings", FindingsDocument(findings)}}, text);
  return ExitCode::kOk;
}

}  // namespace lathe::cli
