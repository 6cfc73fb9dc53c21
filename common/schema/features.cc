#include "common/schema/features.h"

#include <algorithm>

#include "common/schema/field_access_internal.h"
#include "common/schema/parameters.h"
#include "common/schema/reflection_internal.h"

namespace lathe::schema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string Feature(std::string_view device, const std::string& path, const std::string& token) {
  return std::string(device) + " " + path + "=" + token;
}

/// The tokens that a field is set to: one, or those of a set.
std::vector<std::string> TokensIn(const Message& owner, const FieldDescriptor& field) {
  const auto& reflection = *owner.GetReflection();
  std::vector<std::string> tokens;
  if (!field.is_repeated()) {
    return {TokenOf(*field.enum_type(), reflection.GetEnumValue(owner, &field))};
  }
  for (int i = 0; i < reflection.FieldSize(owner, &field); ++i) {
    tokens.push_back(
        TokenOf(*field.enum_type(), reflection.GetRepeatedEnumValue(owner, &field, i)));
  }
  return tokens;
}

bool IsFeature(const AccessibleParameter& accessible) {
  const Parameter& parameter = *accessible.parameter;
  return parameter.type == ParameterType::kEnumeration && !parameter.map &&
         parameter.field->enum_type() != v1::DeviceChoice_descriptor();
}

void Finish(std::vector<std::string>& features) {
  std::sort(features.begin(), features.end());
  features.erase(std::unique(features.begin(), features.end()), features.end());
}

}  // namespace

std::vector<std::string> RequiredFeatures(const v1::JobConfiguration& configuration,
                                          std::string_view device) {
  std::vector<std::string> features;
  const Sections sections(configuration);
  for (const AccessibleParameter& accessible : AccessibleParameters()) {
    if (!IsFeature(accessible) || !sections.IsSet(accessible)) continue;
    if (!Holds(configuration, accessible.condition)) continue;
    const Message* owner = sections.OwnerOf(accessible);
    for (const std::string& token : TokensIn(*owner, *accessible.chain.back())) {
      const bool is_default = accessible.parameter->spec->default_value() == '"' + token + '"';
      if (!is_default) features.push_back(Feature(device, accessible.parameter->path, token));
    }
  }
  Finish(features);
  return features;
}

std::vector<std::string> LackedFeatures(const v1::TrainerCapabilities& trainer) {
  std::vector<std::string> features;
  for (const auto& row : trainer.accepted()) {
    const Parameter* parameter = FindParameter(row.path());
    if (parameter == nullptr) continue;
    for (const std::string& token : parameter->tokens) {
      const auto& values = row.values();
      if (std::find(values.begin(), values.end(), token) != values.end()) continue;
      features.push_back(Feature(row.device(), row.path(), token));
    }
  }
  Finish(features);
  return features;
}

}  // namespace lathe::schema
