#pragma once
// What the walkers of this room ask of descriptors: the parameter option, an enumeration's tokens,
// which fields are sections, and exact spellings of numbers. Pure and thread-safe.

#include <google/protobuf/descriptor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lathe/v1/parameter.pb.h"

namespace lathe::schema {

inline const v1::ParameterSpec& SpecOf(const google::protobuf::FieldDescriptor& field) {
  return field.options().GetExtension(v1::parameter);
}

/// True for google.protobuf.Struct, which holds any JSON object.
bool IsFreeForm(const google::protobuf::FieldDescriptor& field);

/// True for a message of ours, or a list of them: something with parameters in it.
bool IsSection(const google::protobuf::FieldDescriptor& field);

/// Tokens in order, without the unspecified value: METHOD_TYPE_LORA of MethodType is "lora".
std::vector<std::string> TokensOf(const google::protobuf::EnumDescriptor& type);

/// "lora" for the value's number; empty when there is no such value.
std::string TokenOf(const google::protobuf::EnumDescriptor& type, int number);

/// The number of a token or alias; nothing for an unknown one.
std::optional<int> NumberOfToken(const google::protobuf::EnumDescriptor& type,
                                 std::string_view token);

/// The shortest JSON spelling that reads back as the same number; whole numbers without a point.
std::string JsonNumber(double value);

}  // namespace lathe::schema
