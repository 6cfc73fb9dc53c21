#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "common/schema/configuration.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/reflection_internal.h"
#include "common/schema/rules_internal.h"
#include "common/schema/write_internal.h"

namespace lathe::schema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// Where the walk is; spelled out only when there is something to say.
struct Location {
  const Location* parent = nullptr;
  const FieldDescriptor* field = nullptr;
  int index = -1;       ///< in a list
  std::string map_key;  ///< in a map

  std::string Path() const {
    std::string path = parent == nullptr ? "" : parent->Path();
    path += (path.empty() ? "" : ".") + field->json_name();
    if (index >= 0) {
      path += "[" + std::to_string(index) + "]";
    }
    return map_key.empty() ? path : path + "." + map_key;
  }
};

/// Checks every value that is set by its own description.
class ValueChecker {
 public:
  explicit ValueChecker(std::vector<Finding>& findings) : findings_(findings) {}

  void CheckSection(const Message& message, const Location* parent) {
    const auto& descriptor = *message.GetDescriptor();
    const auto& reflection = *message.GetReflection();
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const FieldDescriptor& field = *descriptor.field(i);
      if (field.is_map()) {
        CheckMap(message, field, parent);
      } else if (field.is_repeated()) {
        CheckList(message, field, parent);
      } else if (!reflection.HasField(message, &field)) {
        continue;
      } else if (IsSection(field)) {
        const Location here{parent, &field, -1, {}};
        CheckSection(reflection.GetMessage(message, &field), &here);
      } else if (!IsFreeForm(field)) {
        CheckScalar(message, field, {parent, &field, -1, {}});
      }
    }
  }

 private:
  void CheckMap(const Message& message, const FieldDescriptor& field, const Location* parent) {
    const auto& reflection = *message.GetReflection();
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      const std::string key =
          entry.GetReflection()->GetString(entry, field.message_type()->map_key());
      const Location here{parent, &field, -1, key};
      if (key.empty()) {
        Add(here, Severity::kError, "empty", {"a name is empty", "\"\"", "the name of a module"});
      }
      CheckNumber(entry, *field.message_type()->map_value(), SpecOf(field), here);
    }
  }

  void CheckList(const Message& message, const FieldDescriptor& field, const Location* parent) {
    const auto& reflection = *message.GetReflection();
    std::set<int> seen;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const Location here{parent, &field, i, {}};
      if (IsSection(field)) {
        CheckSection(reflection.GetRepeatedMessage(message, &field, i), &here);
        continue;
      }
      const int number = reflection.GetRepeatedEnumValue(message, &field, i);
      CheckToken(field, number, here);
      if (!seen.insert(number).second) {
        Add(here, Severity::kError, "duplicate_value",
            {"given more than once", TokenOf(*field.enum_type(), number), "each at most once"});
      }
    }
  }

  void CheckScalar(const Message& message, const FieldDescriptor& field, const Location& here) {
    const v1::ParameterSpec& spec = SpecOf(field);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      CheckToken(field, message.GetReflection()->GetEnumValue(message, &field), here);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      if (spec.secret() && message.GetReflection()->GetString(message, &field) == kRedacted) {
        Add(here, Severity::kError, "redacted",
            {"a secret cannot be read back", "", "the secret itself, or nothing"});
      }
    } else if (field.cpp_type() != FieldDescriptor::CPPTYPE_BOOL) {
      CheckNumber(message, field, spec, here);
    }
    if (!spec.warn_value().empty() && FieldToJson(message, field) == spec.warn_value()) {
      Add(here, Severity::kWarning, "unusual_value", {spec.warning(), spec.warn_value(), ""});
    }
  }

  void CheckToken(const FieldDescriptor& field, int number, const Location& here) {
    if (number != 0 && field.enum_type()->FindValueByNumber(number) != nullptr) {
      return;
    }
    std::string legal;
    for (const std::string& token : TokensOf(*field.enum_type())) {
      legal += (legal.empty() ? "one of " : ", ") + token;
    }
    Add(here, Severity::kError, "unknown_token",
        {"not a value of this", std::to_string(number), legal});
  }

  void CheckNumber(const Message& message, const FieldDescriptor& field,
                   const v1::ParameterSpec& spec, const Location& here) {
    const double value = NumberIn(message, field);
    const auto given = [&] { return FieldToJson(message, field); };
    if (!std::isfinite(value)) {
      return Add(here, Severity::kError, "not_finite",
                 {"not a finite number", given(), "a number"});
    }
    const bool low =
        spec.has_min() && (value < spec.min() || (spec.exclusive_min() && value == spec.min()));
    const bool high = spec.has_max() && value > spec.max();
    const bool other = spec.one_of_size() > 0 &&
                       std::find(spec.one_of().begin(), spec.one_of().end(),
                                 static_cast<std::int64_t>(value)) == spec.one_of().end();
    if (low || high || other) {
      const std::string why = spec.range_help().empty() || !low ? "" : ": " + spec.range_help();
      return Add(here, Severity::kError, "out_of_range",
                 {"outside the range" + why, given(), RangeText(spec)});
    }
    if (spec.has_warn_above() && value > spec.warn_above()) {
      Add(here, Severity::kWarning, "unusually_high",
          {spec.warning(), given(), "at most " + JsonNumber(spec.warn_above())});
    }
    if (spec.has_warn_below() && value < spec.warn_below()) {
      Add(here, Severity::kWarning, "unusually_low",
          {spec.warning(), given(), "at least " + JsonNumber(spec.warn_below())});
    }
  }

  static double NumberIn(const Message& message, const FieldDescriptor& field) {
    const auto& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return reflection.GetInt32(message, &field);
      case FieldDescriptor::CPPTYPE_INT64:
        return static_cast<double>(reflection.GetInt64(message, &field));
      default:
        return reflection.GetDouble(message, &field);
    }
  }

  struct Text {
    std::string message;
    std::string given;
    std::string expected;
  };

  void Add(const Location& here, Severity severity, const char* code, Text text) {
    findings_.push_back({here.Path(), severity, code, std::move(text.message),
                         std::move(text.given), std::move(text.expected)});
  }

  std::vector<Finding>& findings_;
};

bool IsEmptyText(const v1::JobConfiguration& configuration, const AccessibleParameter& parameter) {
  const FieldDescriptor* field = parameter.chain.back();
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
    return false;
  }
  const Message* owner = OwnerOf(configuration, parameter.chain);
  return owner->GetReflection()->GetString(*owner, field).empty();
}

/// Required parameters, and values that have no effect because their condition does not hold.
void CheckPresence(const RuleInput& input, std::vector<Finding>& findings) {
  for (const AccessibleParameter& accessible : AccessibleParameters()) {
    const Parameter& parameter = *accessible.parameter;
    if (!parameter.spec->required() && !accessible.condition) {
      continue;
    }
    const bool set = IsSet(input.given, accessible.chain);
    if (parameter.spec->required() && (!set || IsEmptyText(input.given, accessible))) {
      findings.push_back({parameter.path, Severity::kError, "required", "must be given",
                          set ? "\"\"" : "", "a " + TypeName(parameter)});
    }
    if (set && !Holds(input.resolved, accessible.condition)) {
      findings.push_back(
          {parameter.path, Severity::kWarning, "no_effect",
           "has no effect without " + parameter.depends_on,
           FieldToJson(*OwnerOf(input.given, accessible.chain), *accessible.chain.back()),
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
  std::vector<Finding> findings;
  const v1::JobConfiguration resolved = Resolve(configuration);
  const RuleInput input{configuration, resolved};
  ValueChecker(findings).CheckSection(configuration, nullptr);
  CheckPresence(input, findings);
  CheckRules(input, findings);
  return findings;
}

}  // namespace lathe::schema
