#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "common/schema/configuration.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/rules_internal.h"
#include "common/schema/values.h"
#include "common/schema/write_internal.h"

namespace lathe::schema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsEmptyText(const Sections& configuration, const AccessibleParameter& parameter) {
  const FieldDescriptor* field = parameter.chain.back();
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
    return false;
  }
  const Message* owner = configuration.OwnerOf(parameter);
  return owner->GetReflection()->GetString(*owner, field).empty();
}

/// Required parameters, and values that have no effect because their condition does not hold.
void CheckPresence(const RuleInput& input, std::vector<Finding>& findings) {
  const Sections given(input.given);
  for (const AccessibleParameter& accessible : AccessibleParameters()) {
    const Parameter& parameter = *accessible.parameter;
    if (!parameter.spec->required() && !accessible.condition) {
      continue;
    }
    const bool set = given.IsSet(accessible);
    if (parameter.spec->required() && (!set || IsEmptyText(given, accessible))) {
      findings.push_back({parameter.path, Severity::kError, "required", "must be given",
                          set ? "\"\"" : "", "a " + TypeName(parameter)});
    }
    if (set && !Holds(input.resolved, accessible.condition)) {
      findings.push_back({parameter.path, Severity::kWarning, "no_effect",
                          "has no effect without " + parameter.depends_on,
                          FieldToJson(*given.OwnerOf(accessible), *accessible.chain.back()),
                          "nothing, or " + parameter.depends_on});
    }
  }
}

/// True when a value was given at the path, and was refused for what it is.
bool IsRefused(const std::vector<Finding>& findings, const std::string& path) {
  return std::any_of(findings.begin(), findings.end(), [&path](const Finding& finding) {
    return finding.path == path || path.rfind(finding.path + ".", 0) == 0;
  });
}

bool IsUnreadable(const std::vector<Finding>& findings) {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& finding) {
    return finding.code == "syntax_error" || finding.code == "too_large" ||
           (finding.severity == Severity::kError && finding.path.empty());
  });
}

}  // namespace

std::vector<Finding> AllFindings(const Parsed& parsed) {
  std::vector<Finding> findings = parsed.findings;
  if (IsUnreadable(parsed.findings)) {
    return findings;
  }
  for (Finding& finding : Validate(parsed.configuration)) {
    if (finding.code != "required" || !IsRefused(parsed.findings, finding.path)) {
      findings.push_back(std::move(finding));
    }
  }
  return findings;
}

std::vector<Finding> Validate(const v1::JobConfiguration& configuration) {
  return Validate(configuration, Resolve(configuration));
}

std::vector<Finding> Validate(const v1::JobConfiguration& configuration,
                              const v1::JobConfiguration& resolved) {
  std::vector<Finding> findings = CheckValues(configuration);
  const RuleInput input{configuration, resolved};
  CheckPresence(input, findings);
  CheckRules(input, findings);
  return findings;
}

}  // namespace lathe::schema
