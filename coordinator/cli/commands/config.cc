#include "coordinator/cli/commands/config.h"

#include <algorithm>
#include <ostream>

#include "common/rpc/status.h"
#include "common/schema/configuration.h"
#include "common/schema/diff.h"
#include "common/schema/export.h"
#include "common/schema/parameters.h"
#include "common/schema/suggest.h"
#include "common/schema/templates.h"
#include "coordinator/cli/client/configuration_source.h"
#include "coordinator/cli/client/coordinator_client.h"
#include "coordinator/cli/client/findings.h"
#include "coordinator/cli/output/print.h"
#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

// What a file leaves out and `lathe submit` fills in from its options.
bool ComesWithSubmit(const Finding& finding) {
  return finding.path == "datasets.trainingFileId" && finding.given.empty() &&
         finding.code == "required";
}

/// Some older dialects have no place for the one parameter that must be set.
bool LacksModelByForm(const schema::Imported& read, const std::vector<Finding>& findings) {
  const bool has_place = read.dialect != schema::Dialect::kLegacyHyperparameters &&
                         read.dialect != schema::Dialect::kSimple;
  return !has_place && std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.path == "model.baseModel" && finding.code == "required";
  });
}

int TableWidth(const Context& context) {
  return context.terminal.out ? context.terminal.width : 0;
}

Document TemplateDocument(const schema::Template& each) {
  return {{"name", each.name},
          {"title", each.title},
          {"description", each.description},
          {"configuration", ToDocument(each.configuration)}};
}

Outcome PrintTemplate(Context& context, const std::string& name) {
  const schema::Template* found = schema::FindTemplate(name);
  if (found == nullptr) {
    std::vector<std::string> names;
    for (const schema::Template& each : schema::BuiltinTemplates()) names.push_back(each.name);
    return Failure(ErrorCode::kNotFound,
                   "there is no template '" + name + "'" + schema::DidYouMean(name, names));
  }
  Note(context, found->title + ". " + found->description);
  PrintResult(context, TemplateDocument(*found), ToYaml(ToDocument(found->configuration)));
  return ExitCode::kOk;
}

std::string NameOf(const std::string& file) {
  return file == "-" ? "standard input" : file;
}

/// Adds what an engine says of what could be read; what was found here already is not repeated.
Status AskEngine(Context& context, const std::string& provider, const schema::Imported& read,
                 std::vector<Finding>& findings) {
  v1::ValidateConfigurationRequest request;
  request.mutable_input()->set_text(schema::ToJson(read.configuration));
  request.mutable_input()->set_dialect(std::string(schema::ToString(schema::Dialect::kUniversal)));
  request.set_provider(provider);
  LATHE_ASSIGN_OR_RETURN(const auto client, CoordinatorClient::Create(context));
  LATHE_ASSIGN_OR_RETURN(const v1::ValidateConfigurationResponse response,
                         client->ValidateConfiguration(request));
  std::vector<Finding> more;
  for (const v1::Finding& finding : response.findings()) {
    more.push_back(rpc::FromProto(finding));
  }
  AddUnsaid(std::move(more), findings);
  return {};
}

/// The value of one side; null when it is not set there.
Document SideOf(const std::string& json) {
  return json.empty() ? Document() : Document::parse(json, nullptr, false);
}

}  // namespace

Outcome RunConfigValidate(Context& context, const ConfigValidateOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto dialect, DialectOption(options.from));
  LATHE_ASSIGN_OR_RETURN(schema::Imported read, ImportFile(context, options.file, dialect));
  LATHE_RETURN_IF_ERROR(SetAll(options.set, read.configuration, read.findings));
  std::vector<Finding> findings = schema::AllFindings(read);
  if (!options.provider.empty() && IsReadable(findings)) {
    LATHE_RETURN_IF_ERROR(AskEngine(context, options.provider, read, findings));
  }
  std::erase_if(findings, &ComesWithSubmit);
  if (HasErrors(findings)) {
    const char* hint = LacksModelByForm(read, findings)
                           ? "files of this dialect name no model: --set model.baseModel=NAME"
                           : "`lathe config schema` describes every parameter";
    return Failure(Error{ErrorCode::kInvalidArgument, NameOf(options.file) + " is not valid",
                         std::move(findings), hint});
  }
  if (context.options.format == OutputFormat::kTable) PrintFindings(context, findings);
  const std::string name(schema::ToString(read.dialect));
  const std::string as = read.dialect == schema::Dialect::kUniversal ? "" : " (" + name + ")";
  Document answer = {{"valid", true}, {"dialect", name}, {"findings", FindingsDocument(findings)}};
  if (!options.explain) {
    PrintResult(context, answer, NameOf(options.file) + " is valid" + as + "\n");
    return ExitCode::kOk;
  }
  Table table({{"PARAMETER"}, {"VALUE"}, {"SOURCE"}});
  Document& values = answer["values"] = Document::array();
  for (const schema::ResolvedValue& value : schema::Explain(read.configuration)) {
    const std::string source(schema::ToString(value.source));
    table.AddRow(
        {value.path, value.value, value.reason.empty() ? source : source + ": " + value.reason});
    Document& entry = values.emplace_back();
    entry = {{"path", value.path},
             {"value", Document::parse(value.value, nullptr, false)},
             {"source", source}};
    if (!value.reason.empty()) entry["reason"] = value.reason;
  }
  PrintResult(context, answer, table.Render(TableWidth(context)));
  return ExitCode::kOk;
}

Outcome RunConfigSchema(Context& context, const ConfigSchemaOptions& options) {
  if (options.markdown) {
    const std::string markdown = schema::ExportMarkdown();
    PrintResult(context, {{"markdown", markdown}}, markdown);
    return ExitCode::kOk;
  }
  Table table({{"PARAMETER"}, {"TYPE"}, {"DEFAULT"}, {"RANGE"}, {"HELP"}});
  for (const schema::Parameter& parameter : schema::ParameterPaths()) {
    table.AddRow({parameter.path, schema::TypeName(parameter), parameter.spec->default_value(),
                  schema::RangeText(*parameter.spec), parameter.spec->help()});
  }
  PrintResult(context, Document::parse(schema::ExportJsonSchema(), nullptr, false),
              table.Render(TableWidth(context)));
  return ExitCode::kOk;
}

Outcome RunConfigTemplates(Context& context, const ConfigTemplatesOptions& options) {
  if (!options.name.empty()) return PrintTemplate(context, options.name);
  Table table({{"NAME"}, {"TITLE"}, {"DESCRIPTION"}});
  Document list = Document::array();
  for (const schema::Template& each : schema::BuiltinTemplates()) {
    table.AddRow({each.name, each.title, each.description});
    list.push_back(TemplateDocument(each));
  }
  PrintResult(context, list, table.Render(TableWidth(context)));
  return ExitCode::kOk;
}

Outcome RunConfigConvert(Context& context, const ConfigConvertOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto from, DialectOption(options.from));
  LATHE_ASSIGN_OR_RETURN(const auto to, DialectOption(options.to));
  LATHE_ASSIGN_OR_RETURN(schema::Imported read, ImportFile(context, options.file, from));
  if (HasErrors(read.findings)) {
    return Failure(Error{ErrorCode::kInvalidArgument, NameOf(options.file) + " cannot be read",
                         std::move(read.findings)});
  }
  const schema::Exported written =
      schema::Export(read.configuration, to.value_or(schema::Dialect::kUniversal));
  std::vector<Finding> losses = std::move(read.findings);
  losses.insert(losses.end(), written.losses.begin(), written.losses.end());
  if (context.options.format == OutputFormat::kTable) {
    PrintFindings(context, losses);
    context.out << written.text;
    return ExitCode::kOk;
  }
  PrintResult(context,
              {{"configuration", Document::parse(written.text, nullptr, false)},
               {"dialect", schema::ToString(to.value_or(schema::Dialect::kUniversal))},
               {"losses", FindingsDocument(losses)}},
              "");
  return ExitCode::kOk;
}

Outcome RunConfigDiff(Context& context, const ConfigDiffOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const auto left, ReadAnyConfiguration(context, options.left));
  LATHE_ASSIGN_OR_RETURN(const auto right, ReadAnyConfiguration(context, options.right));
  Table table({{"PARAMETER"}, {options.left}, {options.right}});
  Document list = Document::array();
  const auto differences = schema::Compare(left, right, !options.all);
  for (const schema::Difference& each : differences) {
    table.AddRow({each.path, each.a, each.b + (each.not_compared ? "  (not compared)" : "")});
    list.push_back({{"path", each.path},
                    {"left", SideOf(each.a)},
                    {"right", SideOf(each.b)},
                    {"equal", each.equal && !each.not_compared},
                    {"notCompared", each.not_compared}});
  }
  PrintResult(context, list, differences.empty() ? "" : table.Render(TableWidth(context)));
  if (differences.empty()) Note(context, "no difference");
  if (std::any_of(differences.begin(), differences.end(),
                  [](const schema::Difference& each) { return each.not_compared; })) {
    Note(context, "Secrets of saved configurations are never told, and so are not compared.");
  }
  return ExitCode::kOk;
}

}  // namespace lathe::cli
