#include <google/protobuf/descriptor.h>

#include <nlohmann/json.hpp>

#include "common/schema/export.h"
#include "common/schema/parameters.h"
#include "common/schema/reflection_internal.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using Json = nlohmann::ordered_json;

/// Ranges belong to the values, so for lists and maps this describes one of them.
Json ValueSchema(const Parameter& parameter) {
  const v1::ParameterSpec& spec = *parameter.spec;
  Json schema;
  if (parameter.type == ParameterType::kEnumeration) {
    schema = {{"type", "string"}, {"enum", parameter.tokens}};
  } else {
    Parameter single = parameter;
    single.map = single.repeated = false;
    schema = {{"type", TypeName(single)}};
  }
  if (spec.one_of_size() > 0) {
    schema["enum"] = std::vector<std::int64_t>(spec.one_of().begin(), spec.one_of().end());
    return schema;
  }
  if (spec.has_min()) {
    schema[spec.exclusive_min() ? "exclusiveMinimum" : "minimum"] =
        Json::parse(JsonNumber(spec.min()));
  }
  if (spec.has_max()) {
    schema["maximum"] = Json::parse(JsonNumber(spec.max()));
  }
  return schema;
}

Json Containing(const Parameter& parameter) {
  if (parameter.map) {
    return {{"type", "object"}, {"additionalProperties", ValueSchema(parameter)}};
  }
  if (!parameter.repeated) {
    return ValueSchema(parameter);
  }
  Json list = {{"type", "array"}, {"items", ValueSchema(parameter)}};
  if (parameter.type == ParameterType::kEnumeration) {
    list["uniqueItems"] = true;
  }
  return list;
}

void SetIfAny(Json& schema, const char* key, const std::string& text) {
  if (!text.empty()) {
    schema[key] = text;
  }
}

/// What a form needs beyond JSON Schema's own words.
void AddHints(const Parameter& parameter, Json& schema) {
  const v1::ParameterSpec& spec = *parameter.spec;
  SetIfAny(schema, "title", spec.label());
  SetIfAny(schema, "description", spec.help());
  if (!spec.default_value().empty()) {
    schema["default"] = Json::parse(spec.default_value());
  }
  if (spec.secret()) {
    schema["writeOnly"] = true;
  }
  SetIfAny(schema, "x-card", TokenOf(*v1::Card_descriptor(), spec.card()));
  schema["x-tier"] = spec.tier() == v1::TIER_ADVANCED ? "advanced" : "basic";
  SetIfAny(schema, "x-unit", spec.unit());
  SetIfAny(schema, "x-default-rule", spec.default_rule());
  SetIfAny(schema, "x-depends-on", parameter.depends_on);
  if (spec.has_warn_above()) {
    schema["x-warn-above"] = Json::parse(JsonNumber(spec.warn_above()));
  }
  if (spec.has_warn_below()) {
    schema["x-warn-below"] = Json::parse(JsonNumber(spec.warn_below()));
  }
  if (!spec.warn_value().empty()) {
    schema["x-warn-value"] = Json::parse(spec.warn_value());
  }
  SetIfAny(schema, "x-warning", spec.warning());
}

Json SectionSchema(const Descriptor& message, const std::string& prefix) {
  Json schema = {{"type", "object"}, {"additionalProperties", false}};
  Json& properties = schema["properties"] = Json::object();
  Json required = Json::array();
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    const std::string path = prefix + field.json_name();
    Json& property = properties[field.json_name()];
    if (const Parameter* parameter = FindParameter(path)) {
      property = Containing(*parameter);
      if (IsSection(field)) {
        property["items"] = SectionSchema(*field.message_type(), path + "[].");
      }
      AddHints(*parameter, property);
    } else {
      property = SectionSchema(*field.message_type(), path + ".");
      SetIfAny(property, "x-depends-on", SpecOf(field).depends_on());
    }
    if (SpecOf(field).required() || property.contains("required")) {
      required.push_back(field.json_name());
    }
  }
  if (!required.empty()) {
    schema["required"] = std::move(required);
  }
  return schema;
}

}  // namespace

std::string ExportJsonSchema() {
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "JobConfiguration"},
                 {"x-version", kSchemaVersion}};
  schema.update(SectionSchema(*v1::JobConfiguration::descriptor(), ""));
  return schema.dump(2) + "\n";
}

}  // namespace lathe::schema
