#pragma once
// The walker that turns a tree of JSON values into the message, and says what does not fit.

#include <string>
#include <vector>

#include "common/schema/configuration.h"
#include "common/schema/tree_internal.h"

namespace lathe::schema {

/// Reads `tree` (at the top of a configuration) into `configuration`; appends to `findings`.
void ReadTree(const Tree& tree, v1::JobConfiguration& configuration,
              std::vector<Finding>& findings);

/// Reads one value into a field of `message`; findings name `path`.
void ReadValue(const Tree& value, const std::string& path, google::protobuf::Message& message,
               const google::protobuf::FieldDescriptor& field, std::vector<Finding>& findings);

/// Reads one value, as JSON, into a single field that is not a section: for defaults.
/// The literal must fit the field.
void ReadDefault(std::string_view literal, google::protobuf::Message& message,
                 const google::protobuf::FieldDescriptor& field);

}  // namespace lathe::schema
