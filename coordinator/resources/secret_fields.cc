#include "coordinator/resources/secret_fields.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "common/schema/configuration.h"
#include "lathe/v1/parameter.pb.h"

namespace lathe::resources {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

bool IsSecret(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::parameter).secret();
}

std::vector<const FieldDescriptor*> SetFields(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  return fields;
}

/// Secrets are texts in sections; lists and maps have none.
bool IsPlainSection(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_repeated();
}

void Keep(const Message& stored, Message& changed) {
  const auto& reflection = *changed.GetReflection();
  for (const FieldDescriptor* field : SetFields(changed)) {
    if (IsSecret(*field)) {
      if (reflection.GetString(changed, field) != schema::kRedacted) continue;
      if (stored.GetReflection()->HasField(stored, field)) {
        reflection.SetString(&changed, field, stored.GetReflection()->GetString(stored, field));
      } else {
        reflection.ClearField(&changed, field);
      }
    } else if (IsPlainSection(*field)) {
      Keep(stored.GetReflection()->GetMessage(stored, field),
           *reflection.MutableMessage(&changed, field));
    }
  }
}

}  // namespace

void KeepSecrets(const v1::JobConfiguration& stored, v1::JobConfiguration& changed) {
  Keep(stored, changed);
}

}  // namespace lathe::resources
