#include <google/protobuf/descriptor.h>
#include <google/protobuf/struct.pb.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "common/schema/configuration.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/reflection_internal.h"
#include "common/schema/tree_internal.h"
#include "common/schema/write_internal.h"

namespace lathe::schema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// What JSON writes as it is.
bool IsPlain(const std::string& text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c < 0x7F && c != '"' && c != '\\'; });
}

std::string Quoted(const std::string& text) {
  if (IsPlain(text)) {
    return '"' + text + '"';
  }
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class Writer {
 public:
  explicit Writer(Secrets secrets) : secrets_(secrets) {}

  std::string Take() { return std::move(out_); }

  void WriteSection(const Message& message) {
    const auto& reflection = *message.GetReflection();
    const auto& descriptor = *message.GetDescriptor();
    const char* separator = "{";
    for (int i = 0; i < descriptor.field_count(); ++i) {
      const FieldDescriptor& field = *descriptor.field(i);
      const bool is_set = field.is_repeated() ? reflection.FieldSize(message, &field) > 0
                                              : reflection.HasField(message, &field);
      if (is_set) {
        out_ += separator + ('"' + field.json_name()) + "\":";
        WriteField(message, field);
        separator = ",";
      }
    }
    out_ += *separator == '{' ? "{}" : "}";
  }

  void WriteField(const Message& message, const FieldDescriptor& field) {
    const auto& reflection = *message.GetReflection();
    if (field.is_map()) {
      WriteMap(message, field);
    } else if (field.is_repeated()) {
      WriteList(message, field);
    } else if (IsFreeForm(field)) {
      WriteFreeForm(
          static_cast<const google::protobuf::Struct&>(reflection.GetMessage(message, &field)));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      WriteSection(reflection.GetMessage(message, &field));
    } else {
      WriteScalar(message, field);
    }
  }

 private:
  void WriteList(const Message& message, const FieldDescriptor& field) {
    const auto& reflection = *message.GetReflection();
    out_ += "[";
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      out_ += i == 0 ? "" : ",";
      if (IsSection(field)) {
        WriteSection(reflection.GetRepeatedMessage(message, &field, i));
      } else {
        WriteToken(field, reflection.GetRepeatedEnumValue(message, &field, i));
      }
    }
    out_ += "]";
  }

  /// Protobuf keeps maps in no order; sorted, the same map gives the same bytes.
  void WriteMap(const Message& message, const FieldDescriptor& field) {
    const auto& reflection = *message.GetReflection();
    std::map<std::string, const Message*> entries;
    for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
      const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
      entries[entry.GetReflection()->GetString(entry, field.message_type()->map_key())] = &entry;
    }
    const char* separator = "{";
    for (const auto& [key, entry] : entries) {
      out_ += separator + Quoted(key) + ":";
      WriteScalar(*entry, *field.message_type()->map_value());
      separator = ",";
    }
    out_ += *separator == '{' ? "{}" : "}";
  }

  void WriteScalar(const Message& message, const FieldDescriptor& field) {
    const auto& reflection = *message.GetReflection();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        out_ += std::to_string(reflection.GetInt32(message, &field));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        out_ += std::to_string(reflection.GetInt64(message, &field));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        out_ += NumberToJson(reflection.GetDouble(message, &field));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        out_ += reflection.GetBool(message, &field) ? "true" : "false";
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        WriteToken(field, reflection.GetEnumValue(message, &field));
        break;
      default:
        WriteText(field, reflection.GetString(message, &field));
    }
  }

  /// A number that is no token comes from a newer client; Validate refuses it.
  void WriteToken(const FieldDescriptor& field, int number) {
    const std::string token = TokenOf(*field.enum_type(), number);
    out_ += token.empty() ? std::to_string(number) : Quoted(token);
  }

  void WriteText(const FieldDescriptor& field, const std::string& text) {
    const bool hide = SpecOf(field).secret() && secrets_ == Secrets::kRedact && !text.empty();
    out_ += Quoted(hide ? std::string(kRedacted) : text);
  }

  void WriteFreeForm(const google::protobuf::Struct& object) {
    std::map<std::string, const google::protobuf::Value*> fields;
    for (const auto& [key, value] : object.fields()) {
      fields[key] = &value;
    }
    const char* separator = "{";
    for (const auto& [key, value] : fields) {
      out_ += separator + Quoted(key) + ":";
      WriteAny(*value);
      separator = ",";
    }
    out_ += *separator == '{' ? "{}" : "}";
  }

  void WriteAny(const google::protobuf::Value& value) {
    switch (value.kind_case()) {
      case google::protobuf::Value::kNumberValue:
        out_ += NumberToJson(value.number_value());
        break;
      case google::protobuf::Value::kStringValue:
        out_ += Quoted(value.string_value());
        break;
      case google::protobuf::Value::kBoolValue:
        out_ += value.bool_value() ? "true" : "false";
        break;
      case google::protobuf::Value::kStructValue:
        WriteFreeForm(value.struct_value());
        break;
      case google::protobuf::Value::kListValue:
        out_ += "[";
        for (int i = 0; i < value.list_value().values_size(); ++i) {
          out_ += i == 0 ? "" : ",";
          WriteAny(value.list_value().values(i));
        }
        out_ += "]";
        break;
      default:
        out_ += "null";
    }
  }

  Secrets secrets_;
  std::string out_;
};

void Redact(Message& message) {
  const auto& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (SpecOf(*field).secret()) {
      if (!reflection.GetString(message, field).empty()) {
        reflection.SetString(&message, field, std::string(kRedacted));
      }
    } else if (!IsSection(*field)) {
      continue;
    } else if (!field->is_repeated()) {
      Redact(*reflection.MutableMessage(&message, field));
    } else {
      for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
        Redact(*reflection.MutableRepeatedMessage(&message, field, i));
      }
    }
  }
}

}  // namespace

v1::JobConfiguration Redacted(v1::JobConfiguration configuration) {
  Redact(configuration);
  return configuration;
}

std::string ToJson(const v1::JobConfiguration& configuration, Secrets secrets) {
  Writer writer(secrets);
  writer.WriteSection(configuration);
  return writer.Take();
}

std::vector<std::string> SetPaths(const v1::JobConfiguration& configuration) {
  const Sections sections(configuration);
  std::vector<std::string> paths;
  for (const AccessibleParameter& accessible : AccessibleParameters()) {
    if (sections.IsSet(accessible)) paths.push_back(accessible.parameter->path);
  }
  return paths;
}

std::optional<std::string> JsonAt(const v1::JobConfiguration& configuration, std::string_view path,
                                  Secrets secrets) {
  const AccessibleParameter* accessible = FindAccessible(path);
  if (accessible == nullptr || !IsSet(configuration, accessible->chain)) {
    return std::nullopt;
  }
  return FieldToJson(*OwnerOf(configuration, accessible->chain), *accessible->chain.back(),
                     secrets);
}

std::string NumberToJson(double value) {
  return std::isfinite(value) ? JsonNumber(value) : "null";
}

std::string FieldToJson(const Message& message, const FieldDescriptor& field, Secrets secrets) {
  Writer writer(secrets);
  writer.WriteField(message, field);
  return writer.Take();
}

}  // namespace lathe::schema
