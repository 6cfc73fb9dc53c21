#include "coordinator/cli/commands/config.h"

#include <algorithm>
#include <ostream>

#include "common/schema/configuration.h"
#include "common/schema/export.h"
#include "common/schema/parameters.h"
#include "coordinator/cli/client/configuration_file.h"
#include "coordinator/cli/output/print.h"
#include "coordinator/cli/output/table.h"

namespace lathe::cli {
namespace {

// What a file leaves out and `lathe submit` fills in from its options.
bool ComesWithSubmit(const Finding& finding) {
  return finding.path == "datasets.trainingFileId" && finding.given.empty();
}

std::vector<Finding> Check(const schema::Parsed& parsed) {
  std::vector<Finding> findings = schema::AllFindings(parsed);
  std::erase_if(findings, ComesWithSubmit);
  return findings;
}

}  // namespace

Outcome RunConfigValidate(Context& context, const ConfigValidateOptions& options) {
  LATHE_ASSIGN_OR_RETURN(const schema::Parsed parsed, ReadConfiguration(options.file, context.in));
  std::vector<Finding> findings = Check(parsed);
  if (HasErrors(findings)) {
    return Failure(Error{ErrorCode::kInvalidArgument, options.file + " is not valid",
                         std::move(findings), "`lathe config schema` describes every parameter"});
  }
  if (context.options.format == OutputFormat::kTable) PrintFindings(context, findings);
  PrintResult(context, {{"valid", true}, {"findings", FindingsDocument(findings)}},
              options.file + " is valid\n");
  return ExitCode::kOk;
}

Outcome RunConfigSchema(Context& context) {
  Table table({{"PARAMETER"}, {"TYPE"}, {"DEFAULT"}, {"RANGE"}, {"HELP"}});
  for (const schema::Parameter& parameter : schema::ParameterPaths()) {
    table.AddRow({parameter.path, schema::TypeName(parameter), parameter.spec->default_value(),
                  schema::RangeText(*parameter.spec), parameter.spec->help()});
  }
  const int width = context.terminal.out ? context.terminal.width : 0;
  PrintResult(context, Document::parse(schema::ExportJsonSchema(), nullptr, false),
              table.Render(width));
  return ExitCode::kOk;
}

}  // namespace lathe::cli
