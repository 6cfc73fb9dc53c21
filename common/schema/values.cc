#include "common/schema/values.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "common/schema/configuration.h"
#include "common/schema/parameters.h"
#include "common/schema/read_internal.h"
#include "common/schema/reflection_internal.h"
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

  /// Of a list that is too long nothing is looked at, so that the findings stay few.
  void CheckList(const Message& message, const FieldDescriptor& field, const Location* parent) {
    const auto& reflection = *message.GetReflection();
    const int size = reflection.FieldSize(message, &field);
    const v1::ParameterSpec& spec = SpecOf(field);
    if ((spec.has_min_items() && size < static_cast<int>(spec.min_items())) ||
        (spec.has_max_items() && size > static_cast<int>(spec.max_items()))) {
      return Add(
          {parent, &field, -1, {}}, Severity::kError, "out_of_range",
          {size == 0 ? "is empty" : "has " + std::to_string(size) + " values", "", SizeText(spec)});
    }
    std::set<int> seen;
    for (int i = 0; i < size; ++i) {
      const Location here{parent, &field, i, {}};
      if (IsSection(field)) {
        CheckSection(reflection.GetRepeatedMessage(message, &field, i), &here);
      } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
        CheckText(reflection.GetRepeatedString(message, &field, i), spec, here);
      } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
        const double value = reflection.GetRepeatedDouble(message, &field, i);
        const auto given = [value] { return NumberToJson(value); };
        CheckNumber(value, given, spec, here);
      } else {
        CheckListedToken(field, reflection.GetRepeatedEnumValue(message, &field, i), seen, here);
      }
    }
  }

  void CheckListedToken(const FieldDescriptor& field, int number, std::set<int>& seen,
                        const Location& here) {
    CheckToken(field, number, here);
    if (!seen.insert(number).second) {
      Add(here, Severity::kError, "duplicate_value",
          {"given more than once", TokenOf(*field.enum_type(), number), "each at most once"});
    }
  }

  void CheckText(const std::string& text, const v1::ParameterSpec& spec, const Location& here) {
    if (!spec.has_max_bytes()) {
      return;
    }
    const bool zero = text.find('\0') != std::string::npos;
    if (text.empty() || text.size() > spec.max_bytes() || zero) {
      Add(here, Severity::kError, "out_of_range",
          {text.empty() ? "is empty"
           : zero       ? "has a byte 0"
                        : "has " + std::to_string(text.size()) + " bytes",
           "", LengthText(spec)});
    }
  }

  void CheckScalar(const Message& message, const FieldDescriptor& field, const Location& here) {
    const v1::ParameterSpec& spec = SpecOf(field);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      CheckToken(field, message.GetReflection()->GetEnumValue(message, &field), here);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      const std::string& text = message.GetReflection()->GetString(message, &field);
      if (spec.secret() && text == kRedacted) {
        Add(here, Severity::kError, "redacted",
            {"a secret cannot be read back", "", "the secret itself, or nothing"});
      }
      CheckText(text, spec, here);
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
    const auto given = [&] { return FieldToJson(message, field); };
    CheckNumber(NumberIn(message, field), given, spec, here);
  }

  /// `given` writes the value as JSON: only for what is told.
  template <class Given>
  void CheckNumber(double value, const Given& given, const v1::ParameterSpec& spec,
                   const Location& here) {
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

}  // namespace

std::vector<Finding> CheckValues(const Message& message) {
  std::vector<Finding> findings;
  ValueChecker(findings).CheckSection(message, nullptr);
  return findings;
}

void FillDefaults(Message& message) {
  for (const Parameter& parameter : ParametersOf(*message.GetDescriptor())) {
    const std::string& literal = parameter.spec->default_value();
    if (!literal.empty() && !message.GetReflection()->HasField(message, parameter.field)) {
      ReadDefault(literal, message, *parameter.field);
    }
  }
}

}  // namespace lathe::schema
