#pragma once
// One field's value as JSON, for findings and lists of values.

#include <google/protobuf/message.h>

#include <string>

namespace lathe::schema {

/// The value of a field that is set; a secret is redacted.
std::string FieldToJson(const google::protobuf::Message& message,
                        const google::protobuf::FieldDescriptor& field);

}  // namespace lathe::schema
