#include <google/protobuf/descriptor.h>
#include <google/protobuf/struct.pb.h>

#include <cmath>
#include <limits>
#include <set>

#include "common/base/check.h"
#include "common/schema/parameters.h"
#include "common/schema/read_internal.h"
#include "common/schema/reflection_internal.h"
#include "common/schema/suggest.h"
#include "common/schema/suggest_internal.h"

namespace lathe::schema {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr double kLargestExact = 9007199254740992.0;  // 2^53
constexpr std::size_t kLongestGiven = 120;

/// A value for a finding: short, and nothing of a secret or of what may hold one.
std::string Shown(const Tree& value, const FieldDescriptor& field) {
  if (SpecOf(field).secret()) {
    return std::string(kRedacted);
  }
  if (IsSection(field) && !value.is_number() && !value.is_boolean()) {
    return value.type_name();
  }
  std::string text = value.dump(-1, ' ', false, Tree::error_handler_t::replace);
  return text.size() > kLongestGiven ? text.substr(0, kLongestGiven) + "..." : text;
}

std::string ListOf(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : tokens) {
    text += (text.empty() ? "" : ", ") + token;
  }
  return text;
}

std::vector<std::string> KeysOf(const Descriptor& message) {
  std::vector<std::string> keys;
  for (int i = 0; i < message.field_count(); ++i) {
    keys.push_back(message.field(i)->json_name());
  }
  return keys;
}

const FieldDescriptor* FindField(const Descriptor& message, const std::string& key) {
  for (int i = 0; i < message.field_count(); ++i) {
    if (message.field(i)->json_name() == key) {
      return message.field(i);
    }
  }
  return nullptr;
}

/// One value as a scalar of protobuf, or nothing and a finding.
class ScalarReader {
 public:
  ScalarReader(const FieldDescriptor& field, const std::string& path,
               std::vector<Finding>& findings)
      : field_(field), path_(path), findings_(findings) {}

  std::optional<std::int64_t> Integer(const Tree& value) {
    const bool narrow = field_.cpp_type() == FieldDescriptor::CPPTYPE_INT32;
    const std::int64_t largest = narrow ? std::numeric_limits<std::int32_t>::max()
                                        : std::numeric_limits<std::int64_t>::max();
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() > static_cast<std::uint64_t>(largest)) {
      return Fail<std::int64_t>(value, "out_of_range", "too large", "an integer");
    }
    std::int64_t number = 0;
    if (value.is_number_integer()) {
      number = value.get<std::int64_t>();
    } else if (value.is_number_float() && std::trunc(value.get<double>()) == value.get<double>() &&
               std::abs(value.get<double>()) < kLargestExact) {
      number = static_cast<std::int64_t>(value.get<double>());  // 8.0 is 8, as in JSON Schema
    } else if (value.is_number_float() && std::abs(value.get<double>()) >= kLargestExact) {
      return Fail<std::int64_t>(value, "out_of_range", "too large", "an integer");
    } else {
      return Fail<std::int64_t>(value, "wrong_type", "not an integer", "an integer");
    }
    if (number > largest || (narrow && number < std::numeric_limits<std::int32_t>::min())) {
      return Fail<std::int64_t>(value, "out_of_range", "too large", "an integer");
    }
    return number;
  }

  std::optional<double> Real(const Tree& value) {
    if (!value.is_number()) {
      return Fail<double>(value, "wrong_type", "not a number", "a number");
    }
    return value.get<double>();
  }

  std::optional<bool> Boolean(const Tree& value) {
    if (!value.is_boolean()) {
      return Fail<bool>(value, "wrong_type", "not a boolean", "true or false");
    }
    return value.get<bool>();
  }

  std::optional<std::string> Text(const Tree& value) {
    if (!value.is_string()) {
      return Fail<std::string>(value, "wrong_type", "not a string", "a string, in quotes");
    }
    return value.get<std::string>();
  }

  std::optional<int> Token(const Tree& value) {
    const std::string* text = value.get_ptr<const std::string*>();
    const auto number = text == nullptr ? std::nullopt : NumberOfToken(*field_.enum_type(), *text);
    if (number) {
      return *number;
    }
    const std::vector<std::string> tokens = TokensOf(*field_.enum_type());
    if (text == nullptr) {
      return Fail<int>(value, "wrong_type", "not a token", "one of " + ListOf(tokens));
    }
    return Fail<int>(value, "unknown_token", "not a value of this" + DidYouMean(*text, tokens),
                     "one of " + ListOf(tokens));
  }

 private:
  template <class T>
  std::optional<T> Fail(const Tree& value, const char* code, std::string message,
                        std::string expected) {
    findings_.push_back({path_, Severity::kError, code, std::move(message), Shown(value, field_),
                         std::move(expected)});
    return std::nullopt;
  }

  const FieldDescriptor& field_;
  const std::string& path_;
  std::vector<Finding>& findings_;
};

class Reader {
 public:
  explicit Reader(std::vector<Finding>& findings) : findings_(findings) {}

  void ReadSection(const Tree& tree, const std::string& path, Message& message) {
    for (const auto& [key, value] : tree.items()) {
      const FieldDescriptor* field = FindField(*message.GetDescriptor(), key);
      const std::string its_path = Join(path, key);
      if (field == nullptr) {
        ReportUnknown(key, its_path, *message.GetDescriptor());
      } else if (!value.is_null()) {
        ReadField(value, its_path, message, *field);
      }
    }
  }

  void ReadField(const Tree& value, const std::string& path, Message& message,
                 const FieldDescriptor& field) {
    const auto& reflection = *message.GetReflection();
    if (field.is_map()) {
      ReadMap(value, path, message, field);
    } else if (field.is_repeated()) {
      ReadList(value, path, message, field);
    } else if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      ReadScalar(value, path, message, field);
    } else if (!value.is_object()) {
      ReportType(value, path, field, "an object");
    } else if (IsFreeForm(field)) {
      ReadFreeForm(
          value, path,
          static_cast<google::protobuf::Struct&>(*reflection.MutableMessage(&message, &field)));
    } else {
      ReadSection(value, path, *reflection.MutableMessage(&message, &field));
    }
  }

 private:
  void ReportUnknown(const std::string& key, const std::string& path, const Descriptor& message) {
    findings_.push_back(
        {path, Severity::kError, "unknown_key",
         "no parameter of this name" + KeyHint(key, KeysOf(message)),
         Tree(key.substr(0, kLongestGiven)).dump(-1, ' ', false, Tree::error_handler_t::replace),
         "one of " + ListOf(KeysOf(message))});
  }

  void ReportType(const Tree& value, const std::string& path, const FieldDescriptor& field,
                  const std::string& expected) {
    findings_.push_back(
        {path, Severity::kError, "wrong_type", "not " + expected, Shown(value, field), expected});
  }

  void ReadList(const Tree& value, const std::string& path, Message& message,
                const FieldDescriptor& field) {
    if (!value.is_array()) {
      return ReportType(value, path, field, "a list");
    }
    std::set<int> seen;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string its_path = path + "[" + std::to_string(i) + "]";
      if (IsSection(field)) {
        if (!value[i].is_object()) {
          ReportType(value[i], its_path, field, "an object");
          continue;
        }
        ReadSection(value[i], its_path, *message.GetReflection()->AddMessage(&message, &field));
      } else if (const auto token = ScalarReader(field, its_path, findings_).Token(value[i])) {
        if (!seen.insert(*token).second) {
          findings_.push_back({its_path, Severity::kError, "duplicate_value",
                               "given more than once", Shown(value[i], field),
                               "each at most once"});
          continue;
        }
        message.GetReflection()->AddEnumValue(&message, &field, *token);
      }
    }
  }

  void ReadMap(const Tree& value, const std::string& path, Message& message,
               const FieldDescriptor& field) {
    if (!value.is_object()) {
      return ReportType(value, path, field, "an object of names and values");
    }
    const FieldDescriptor& key_field = *field.message_type()->map_key();
    const FieldDescriptor& value_field = *field.message_type()->map_value();
    for (const auto& [key, item] : value.items()) {
      const auto& reflection = *message.GetReflection();
      Message* entry = reflection.AddMessage(&message, &field);
      entry->GetReflection()->SetString(entry, &key_field, key);
      const std::size_t before = findings_.size();
      ReadScalar(item, Join(path, key), *entry, value_field);
      if (findings_.size() > before) {
        reflection.RemoveLast(&message, &field);
      }
    }
  }

  void ReadScalar(const Tree& value, const std::string& path, Message& message,
                  const FieldDescriptor& field) {
    ScalarReader reader(field, path, findings_);
    const auto& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        if (const auto number = reader.Integer(value)) {
          reflection.SetInt32(&message, &field, static_cast<std::int32_t>(*number));
        }
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        if (const auto number = reader.Integer(value)) {
          reflection.SetInt64(&message, &field, *number);
        }
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        if (const auto number = reader.Real(value)) {
          reflection.SetDouble(&message, &field, *number);
        }
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        if (const auto boolean = reader.Boolean(value)) {
          reflection.SetBool(&message, &field, *boolean);
        }
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        if (const auto token = reader.Token(value)) {
          reflection.SetEnumValue(&message, &field, *token);
        }
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        if (auto text = reader.Text(value)) {
          reflection.SetString(&message, &field, std::move(*text));
        }
        break;
      default:
        LATHE_CHECK(false, "the schema uses a type that the reader does not know");
    }
  }

  void ReadFreeForm(const Tree& tree, const std::string& path, google::protobuf::Struct& object) {
    for (const auto& [key, value] : tree.items()) {
      ReadAny(value, Join(path, key), (*object.mutable_fields())[key]);
    }
  }

  void ReadAny(const Tree& value, const std::string& path, google::protobuf::Value& out) {
    if (value.is_object()) {
      ReadFreeForm(value, path, *out.mutable_struct_value());
    } else if (value.is_array()) {
      auto& list = *out.mutable_list_value();
      for (std::size_t i = 0; i < value.size(); ++i) {
        ReadAny(value[i], path + "[" + std::to_string(i) + "]", *list.add_values());
      }
    } else if (value.is_string()) {
      out.set_string_value(value.get<std::string>());
    } else if (value.is_boolean()) {
      out.set_bool_value(value.get<bool>());
    } else if (value.is_number()) {
      out.set_number_value(value.get<double>());
      if (value.is_number_integer() && std::abs(value.get<double>()) > kLargestExact) {
        findings_.push_back({path, Severity::kError, "not_exact", "too large to be kept exactly",
                             value.dump(), "a string, in quotes"});
      }
    } else {
      out.set_null_value(google::protobuf::NULL_VALUE);
    }
  }

  std::vector<Finding>& findings_;
};

Parsed Read(ParsedTree parsed_tree) {
  Parsed parsed;
  parsed.findings = std::move(parsed_tree.findings);
  if (parsed_tree.tree) {
    ReadTree(*parsed_tree.tree, parsed.configuration, parsed.findings);
  }
  return parsed;
}

}  // namespace

void ReadTree(const Tree& tree, v1::JobConfiguration& configuration,
              std::vector<Finding>& findings) {
  if (!tree.is_object()) {
    findings.push_back(
        {"", Severity::kError, "wrong_type", "not an object", tree.type_name(), "an object"});
    return;
  }
  Reader(findings).ReadSection(tree, "", configuration);
}

void ReadValue(const Tree& value, const std::string& path, Message& message,
               const FieldDescriptor& field, std::vector<Finding>& findings) {
  Reader(findings).ReadField(value, path, message, field);
}

void ReadDefault(std::string_view literal, Message& message, const FieldDescriptor& field) {
  std::vector<Finding> findings;
  const ParsedTree parsed = ParseJsonTree(literal);
  LATHE_CHECK(parsed.tree.has_value(), "the default of " + field.full_name() + " is not JSON");
  Reader(findings).ReadField(*parsed.tree, field.json_name(), message, field);
  LATHE_CHECK(findings.empty(), "the default of " + field.full_name() + " does not fit it");
}

Parsed FromJson(std::string_view text) {
  return Read(ParseJsonTree(text));
}

Parsed FromYaml(std::string_view text) {
  return Read(ParseYamlTree(text));
}

}  // namespace lathe::schema
