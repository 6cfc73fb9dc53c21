#pragma once
// One field's value, or a number, as JSON, for findings and lists of values.

#include <google/protobuf/message.h>

#include <string>

#include "common/schema/configuration.h"

namespace lathe::schema {

/// The value of a field that is set.
std::string FieldToJson(const google::protobuf::Message& message,
                        const google::protobuf::FieldDescriptor& field,
                        Secrets secrets = Secrets::kRedact);

/// A number; null where JSON has none for it.
std::string NumberToJson(double value);

}  // namespace lathe::schema
