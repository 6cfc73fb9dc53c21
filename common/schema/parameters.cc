#include "common/schema/parameters.h"

#include <google/protobuf/descriptor.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "common/schema/reflection_internal.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

/// The field whose type counts: of a map, its values'.
const FieldDescriptor& ValueField(const FieldDescriptor& field) {
  return field.is_map() ? *field.message_type()->map_value() : field;
}

ParameterType TypeOf(const FieldDescriptor& field) {
  switch (ValueField(field).cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return ParameterType::kBoolean;
    case FieldDescriptor::CPPTYPE_STRING:
      return ParameterType::kString;
    case FieldDescriptor::CPPTYPE_ENUM:
      return ParameterType::kEnumeration;
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return ParameterType::kNumber;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return ParameterType::kObject;
    default:
      return ParameterType::kInteger;
  }
}

struct Place {
  std::string prefix;      ///< of the fields' paths: empty or `method.`
  std::string depends_on;  ///< of the message around them
};

Parameter Describe(const FieldDescriptor& field, std::string path, std::string depends_on) {
  Parameter parameter{std::move(path),
                      TypeOf(field),
                      field.is_repeated() && !field.is_map(),
                      field.is_map(),
                      {},
                      std::move(depends_on),
                      &SpecOf(field),
                      &field};
  if (parameter.type == ParameterType::kEnumeration) {
    parameter.tokens = TokensOf(*field.enum_type());
  }
  return parameter;
}

void Collect(const Descriptor& message, const Place& place, std::vector<Parameter>& out) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const v1::ParameterSpec& spec = SpecOf(field);
    const std::string path = place.prefix + field.json_name();
    const std::string depends_on = spec.depends_on().empty() ? place.depends_on : spec.depends_on();
    const bool section = IsSection(field);
    if (!section || field.is_repeated()) {
      out.push_back(Describe(field, path, depends_on));
    }
    if (section) {
      Collect(*field.message_type(), {path + (field.is_repeated() ? "[]." : "."), depends_on}, out);
    }
  }
}

}  // namespace

const std::vector<Parameter>& ParameterPaths() {
  static const std::vector<Parameter> parameters = [] {
    std::vector<Parameter> all;
    Collect(*v1::JobConfiguration::descriptor(), {}, all);
    return all;
  }();
  return parameters;
}

const Parameter* FindParameter(std::string_view path) {
  static const std::unordered_map<std::string_view, const Parameter*> index = [] {
    std::unordered_map<std::string_view, const Parameter*> by_path;
    for (const Parameter& parameter : ParameterPaths()) {
      by_path.emplace(parameter.path, &parameter);
    }
    return by_path;
  }();
  const auto found = index.find(path);
  return found == index.end() ? nullptr : found->second;
}

std::vector<Parameter> ParametersOf(const Descriptor& message) {
  std::vector<Parameter> parameters;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (field.options().HasExtension(v1::parameter)) {
      parameters.push_back(Describe(field, field.json_name(), SpecOf(field).depends_on()));
    }
  }
  return parameters;
}

std::vector<Parameter> ParametersIn(const FieldDescriptor& field) {
  std::vector<Parameter> parameters;
  Collect(*field.message_type(), {}, parameters);
  std::erase_if(parameters, [](const Parameter& parameter) {
    return !parameter.field->options().HasExtension(v1::parameter);
  });
  return parameters;
}

std::string TypeName(const Parameter& parameter) {
  static constexpr const char* kNames[] = {"integer", "number",      "boolean",
                                           "string",  "enumeration", "object"};
  const std::string name = kNames[static_cast<std::size_t>(parameter.type)];
  if (parameter.map) {
    return "map to " + name;
  }
  if (parameter.repeated) {
    return (parameter.type == ParameterType::kEnumeration ? "set of " : "list of ") + name;
  }
  return name;
}

std::string RangeText(const v1::ParameterSpec& spec) {
  if (spec.one_of_size() > 0) {
    std::string text;
    for (const std::int64_t value : spec.one_of()) {
      text += (text.empty() ? "" : " or ") + std::to_string(value);
    }
    return text;
  }
  if (!spec.has_min() && !spec.has_max()) {
    return "";
  }
  if (!spec.has_min()) {
    return "<= " + JsonNumber(spec.max());
  }
  if (!spec.has_max()) {
    return (spec.exclusive_min() ? "> " : ">= ") + JsonNumber(spec.min());
  }
  return (spec.exclusive_min() ? "> " : "") + JsonNumber(spec.min()) + " to " +
         JsonNumber(spec.max());
}

std::string SizeText(const v1::ParameterSpec& spec) {
  if (!spec.has_max_items()) {
    return "";
  }
  return (spec.has_min_items() ? std::to_string(spec.min_items()) + " to " : "at most ") +
         std::to_string(spec.max_items()) + " values";
}

std::string LengthText(const v1::ParameterSpec& spec) {
  return spec.has_max_bytes()
             ? "1 to " + std::to_string(spec.max_bytes()) + " bytes, none of them 0"
             : "";
}

std::string LimitsText(const v1::ParameterSpec& spec) {
  std::string text = RangeText(spec);
  const auto add = [&text](const std::string& separator, const std::string& more) {
    text += (text.empty() || more.empty() ? "" : separator) + more;
  };
  add(", ", SizeText(spec));
  add(", each of ", LengthText(spec));
  return text;
}

std::string OptionName(const Parameter& parameter) {
  std::string name = "--" + parameter.field->name();
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

}  // namespace lathe::schema
