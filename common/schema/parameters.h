#pragma once
// Every parameter of the universal configuration as a flat list, read from the messages'
// descriptors: what flags, completion, forms and reference documents are made of. The same of calls
// that have parameters.
//
// The list is built once, on first use, and never changes; reading it is thread-safe.

#include <string>
#include <string_view>
#include <vector>

#include "lathe/v1/parameter.pb.h"

namespace google::protobuf {
class Descriptor;
class FieldDescriptor;
}  // namespace google::protobuf

namespace lathe::schema {

/// Grows with every change of the schema's meaning; stored beside stored configurations.
inline constexpr int kSchemaVersion = 1;

enum class ParameterType { kInteger, kNumber, kBoolean, kString, kEnumeration, kObject };

struct Parameter {
  std::string path;  ///< JSON spelling; `[]` marks a list of objects: `tools[].name`
  ParameterType type = ParameterType::kString;
  bool repeated = false;            ///< a list, or with kEnumeration a set, of `type`
  bool map = false;                 ///< an object of names to `type`
  std::vector<std::string> tokens;  ///< of an enumeration, in order
  std::string depends_on;           ///< own or inherited: `method.type=lora,qlora`
  const v1::ParameterSpec* spec = nullptr;
  const google::protobuf::FieldDescriptor* field = nullptr;
};

/// In the order of the schema.
const std::vector<Parameter>& ParameterPaths();

/// The parameter of a path, or null.
const Parameter* FindParameter(std::string_view path);

/// The parameters of another message, a call's: its fields that have the option, in their order.
std::vector<Parameter> ParametersOf(const google::protobuf::Descriptor& message);

/// The parameters inside a field of a call that is a message, by their paths in it:
/// `adapters[].weight`.
std::vector<Parameter> ParametersIn(const google::protobuf::FieldDescriptor& field);

/// "integer", "list of enumeration", "map to number": for readers.
std::string TypeName(const Parameter& parameter);

/// "1 to 256", "> 0 to 1", ">= 1", "4 or 8", or empty.
std::string RangeText(const v1::ParameterSpec& spec);

/// How many values a list has, "1 to 1000 values" or "at most 16 values", or empty.
std::string SizeText(const v1::ParameterSpec& spec);

/// How long a text is: "1 to 256 bytes, none of them 0", or empty.
std::string LengthText(const v1::ParameterSpec& spec);

/// The range, the size and the length, as far as there are any: "at most 16 values, each of 1 to
/// 256 bytes, none of them 0".
std::string LimitsText(const v1::ParameterSpec& spec);

/// Its flag of a command line: "--top-k".
std::string OptionName(const Parameter& parameter);

}  // namespace lathe::schema
