#include "coordinator/api/configuration_input.h"

#include <utility>

#include "common/schema/configuration.h"
#include "common/schema/suggest.h"
#include "common/schema/templates.h"

namespace lathe::api {
namespace {

tl::unexpected<Error> Wrong(Finding finding) {
  Error error{ErrorCode::kInvalidArgument, finding.message, {}};
  error.findings.push_back(std::move(finding));
  return Failure(std::move(error));
}

}  // namespace

Result<schema::Dialect> ReadDialect(const std::string& token, const char* path) {
  if (const auto dialect = schema::DialectOf(token)) return *dialect;
  std::vector<std::string> tokens;
  std::string expected;
  for (const schema::Dialect each : schema::kDialects) {
    tokens.emplace_back(schema::ToString(each));
    expected += (expected.empty() ? "one of " : ", ") + tokens.back();
  }
  return Wrong({path, Severity::kError, "unknown_token",
                "There is no dialect of this name" + schema::DidYouMean(token, tokens) + ".",
                '"' + token + '"', expected});
}

Result<schema::Imported> ReadInput(const v1::ConfigurationInput& input) {
  if (input.form_case() == v1::ConfigurationInput::kConfiguration) {
    return schema::Imported{schema::Dialect::kUniversal, input.configuration(), {}};
  }
  if (input.form_case() == v1::ConfigurationInput::FORM_NOT_SET) {
    return Wrong({"input", Severity::kError, "required", "A configuration must be given.", "",
                  "input.configuration or input.text"});
  }
  if (input.dialect().empty()) return schema::Import(input.text());
  LATHE_ASSIGN_OR_RETURN(const auto dialect, ReadDialect(input.dialect(), "input.dialect"));
  return schema::Import(input.text(), dialect);
}

Result<v1::JobConfiguration> ReadTemplate(const std::string& name) {
  if (name.empty()) return v1::JobConfiguration();
  if (const schema::Template* found = schema::FindTemplate(name)) return found->configuration;
  std::vector<std::string> names;
  for (const schema::Template& each : schema::BuiltinTemplates()) names.push_back(each.name);
  return Failure(ErrorCode::kNotFound,
                 "there is no template " + name + schema::DidYouMean(name, names));
}

LayeredConfiguration Layer(v1::JobConfiguration below, v1::JobConfiguration said,
                           const google::protobuf::RepeatedPtrField<std::string>& set) {
  LayeredConfiguration layers{std::move(below), std::move(said), {}, {}};
  for (const std::string& assignment : set) {
    const Status status = schema::Set(layers.said, assignment);
    if (status) continue;
    std::vector<Finding> findings = status.error().findings;
    if (findings.empty()) {
      findings.push_back({"set", Severity::kError, "invalid_value", status.error().message,
                          '"' + assignment + '"', "PATH=VALUE"});
    }
    layers.findings.insert(layers.findings.end(), findings.begin(), findings.end());
  }
  // A value that is unset may be one of the template's.
  for (const std::string& assignment : set) {
    if (assignment.ends_with("=null")) static_cast<void>(schema::Set(layers.below, assignment));
  }
  layers.together = schema::Overlay(layers.below, layers.said);
  return layers;
}

std::vector<v1::ResolvedValue> ExplainValues(const LayeredConfiguration& layers) {
  std::vector<v1::ResolvedValue> values;
  std::vector<schema::ResolvedValue> explained =
      schema::Explain(layers.said, {.base = &layers.below});
  values.reserve(explained.size());
  for (schema::ResolvedValue& value : explained) {
    v1::ResolvedValue& out = values.emplace_back();
    out.set_path(std::move(value.path));
    out.set_value(std::move(value.value));
    out.set_source(std::string(schema::ToString(value.source)));
    if (!value.reason.empty()) out.set_reason(std::move(value.reason));
  }
  return values;
}

}  // namespace lathe::api
