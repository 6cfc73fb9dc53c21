#pragma once
// Messages of the API as documents for programs: JSON and YAML with the spelling of the universal
// configuration (camelCase keys, lower-case tokens, numbers as numbers, times in RFC 3339). Pure.

#include <nlohmann/json.hpp>
#include <string>

namespace google::protobuf {
class Message;
}

namespace lathe::cli {

using Document = nlohmann::ordered_json;

/// Every field with a value; scalars without presence also when they are zero, so that scripts need
/// no defaults. Secrets of a configuration are redacted.
Document ToDocument(const google::protobuf::Message& message);

/// The enumeration value's token: "running" of JOB_STATE_RUNNING.
std::string Token(const std::string& enum_name, const std::string& value_name);

/// One YAML document that reads back as the same values, ending in a newline.
std::string ToYaml(const Document& document);

}  // namespace lathe::cli
