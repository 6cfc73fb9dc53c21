#include "coordinator/cli/output/document.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/time_util.h>

#include <cctype>

#include "common/schema/configuration.h"
#include "common/yaml/writer.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::cli {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// Reads one value, or one element of a repeated field (index >= 0).
class ValueReader {
 public:
  ValueReader(const Message& message, const FieldDescriptor& field)
      : message_(message), field_(field), reflection_(*message.GetReflection()) {}

  Document Read(int index) const {
    const auto get = [&](auto single, auto repeated) {
      return index < 0 ? (reflection_.*single)(message_, &field_)
                       : (reflection_.*repeated)(message_, &field_, index);
    };
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32);
      case FieldDescriptor::CPPTYPE_INT64:
        return get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64);
      case FieldDescriptor::CPPTYPE_UINT32:
        return get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32);
      case FieldDescriptor::CPPTYPE_UINT64:
        return get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return get(&Reflection::GetDouble, &Reflection::GetRepeatedDouble);
      case FieldDescriptor::CPPTYPE_FLOAT:
        return get(&Reflection::GetFloat, &Reflection::GetRepeatedFloat);
      case FieldDescriptor::CPPTYPE_BOOL:
        return get(&Reflection::GetBool, &Reflection::GetRepeatedBool);
      case FieldDescriptor::CPPTYPE_STRING:
        return get(&Reflection::GetString, &Reflection::GetRepeatedString);
      case FieldDescriptor::CPPTYPE_ENUM: {
        const auto* value = get(&Reflection::GetEnum, &Reflection::GetRepeatedEnum);
        return Token(field_.enum_type()->name(), value->name());
      }
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return ToDocument(index < 0 ? reflection_.GetMessage(message_, &field_)
                                    : reflection_.GetRepeatedMessage(message_, &field_, index));
    }
    return nullptr;
  }

 private:
  const Message& message_;
  const FieldDescriptor& field_;
  const Reflection& reflection_;
};

Document FieldsOf(const Message& message) {
  Document object = Document::object();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const ValueReader reader(message, field);
    if (field.is_repeated()) {
      Document& list = object[field.json_name()] = Document::array();
      const int size = message.GetReflection()->FieldSize(message, &field);
      for (int k = 0; k < size; ++k) list.push_back(reader.Read(k));
    } else if (!field.has_presence() || message.GetReflection()->HasField(message, &field)) {
      object[field.json_name()] = reader.Read(-1);
    }
  }
  return object;
}

void Write(yaml::Writer& out, const Document& value) {
  if (value.is_object()) {
    out.BeginMap();
    for (const auto& [key, member] : value.items()) {
      out.String(key);
      Write(out, member);
    }
    out.EndMap();
  } else if (value.is_array()) {
    out.BeginList();
    for (const Document& element : value) Write(out, element);
    out.EndList();
  } else if (value.is_string()) {
    out.String(value.get_ref<const std::string&>());
  } else {
    // Numbers as JSON prints them: the shortest text that reads back as the same value.
    out.Bare(value.dump());
  }
}

}  // namespace

std::string Token(const std::string& enum_name, const std::string& value_name) {
  std::string prefix;
  for (const char c : enum_name) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !prefix.empty()) prefix += '_';
    prefix += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  prefix += '_';
  const std::size_t start = value_name.starts_with(prefix) ? prefix.size() : 0;
  std::string token = value_name.substr(start);
  for (char& c : token) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return token;
}

Document ToDocument(const Message& message) {
  const std::string& type = message.GetDescriptor()->full_name();
  if (type == "google.protobuf.Timestamp") {
    google::protobuf::Timestamp time;
    time.CopyFrom(message);
    return google::protobuf::util::TimeUtil::ToString(time);
  }
  if (type == "lathe.v1.JobConfiguration") {
    v1::JobConfiguration configuration;
    configuration.CopyFrom(message);
    return Document::parse(schema::ToJson(configuration, schema::Secrets::kRedact));
  }
  return FieldsOf(message);
}

std::string ToYaml(const Document& document) {
  yaml::Writer out;
  Write(out, document);
  return out.Take();
}

}  // namespace lathe::cli
