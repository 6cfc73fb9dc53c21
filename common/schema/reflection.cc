#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <unordered_map>

#include "common/schema/reflection_internal.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {
namespace {

using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

/// METHOD_TYPE_LORA -> lora, the prefix being what stands before UNSPECIFIED in value 0.
std::string MakeToken(const EnumDescriptor& type, int index) {
  const std::string& zero = type.value(0)->name();
  const std::size_t prefix = zero.size() - std::string_view("UNSPECIFIED").size();
  std::string token = type.value(index)->name().substr(prefix);
  std::transform(token.begin(), token.end(), token.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return token;
}

}  // namespace

bool IsFreeForm(const FieldDescriptor& field) {
  static const auto* const free_form = google::protobuf::Struct::descriptor();
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && field.message_type() == free_form;
}

bool IsSection(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_map() &&
         !IsFreeForm(field);
}

std::vector<std::string> TokensOf(const EnumDescriptor& type) {
  std::vector<std::string> tokens;
  for (int i = 1; i < type.value_count(); ++i) {
    tokens.push_back(MakeToken(type, i));
  }
  return tokens;
}

std::string TokenOf(const EnumDescriptor& type, int number) {
  const auto* value = type.FindValueByNumber(number);
  return value == nullptr || number == 0 ? "" : MakeToken(type, value->index());
}

std::optional<int> NumberOfToken(const EnumDescriptor& type, std::string_view token) {
  for (int i = 1; i < type.value_count(); ++i) {
    const auto& value = *type.value(i);
    if (MakeToken(type, i) == token ||
        (!token.empty() && value.options().GetExtension(v1::alias) == token)) {
      return value.number();
    }
  }
  return std::nullopt;
}

std::string JsonNumber(double value) {
  // Beyond 2^53 not every whole number is a double; such values keep the exponent form.
  if (std::trunc(value) == value && std::abs(value) < 9007199254740992.0) {
    return std::to_string(static_cast<std::int64_t>(value));
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general);
  return {buffer, end.ptr};
}

}  // namespace lathe::schema
