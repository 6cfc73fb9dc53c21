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

char Lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// LORA of METHOD_TYPE_LORA, the prefix being what stands before UNSPECIFIED in value 0.
std::string_view UpperToken(const EnumDescriptor& type, int index) {
  const std::string& zero = type.value(0)->name();
  return std::string_view(type.value(index)->name())
      .substr(zero.size() - std::string_view("UNSPECIFIED").size());
}

std::string MakeToken(const EnumDescriptor& type, int index) {
  std::string token(UpperToken(type, index));
  std::transform(token.begin(), token.end(), token.begin(), Lower);
  return token;
}

/// Whether MakeToken would give `token`.
bool IsToken(const EnumDescriptor& type, int index, std::string_view token) {
  const std::string_view upper = UpperToken(type, index);
  return std::equal(upper.begin(), upper.end(), token.begin(), token.end(),
                    [](char a, char b) { return Lower(a) == b; });
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
    if (IsToken(type, i, token)) {
      return type.value(i)->number();
    }
  }
  for (int i = 1; i < type.value_count() && !token.empty(); ++i) {
    if (type.value(i)->options().GetExtension(v1::alias) == token) {
      return type.value(i)->number();
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
