#pragma once
// Parameters outside of lists with the way to their field and their condition, worked out once, so
// that checking and filling in walk descriptors and not strings. Pure and thread-safe.

#include <google/protobuf/message.h>

#include <optional>
#include <string_view>
#include <vector>

#include "common/schema/parameters.h"

namespace lathe::schema {

/// From the configuration's message down to a field.
using FieldChain = std::vector<const google::protobuf::FieldDescriptor*>;

/// A `depends_on`: the field at the end of the chain has one of these numbers (of tokens; 0 and 1
/// for booleans).
struct Condition {
  FieldChain chain;
  std::vector<int> numbers;
};

struct AccessibleParameter {
  const Parameter* parameter = nullptr;
  FieldChain chain;
  std::optional<Condition> condition;
  std::size_t section = 0;  ///< the message that holds it, numbered for Sections
};

/// ParameterPaths without what is inside of lists, in the same order.
const std::vector<AccessibleParameter>& AccessibleParameters();

/// The one of a path, or null.
const AccessibleParameter* FindAccessible(std::string_view path);

/// The sections of one configuration, looked up once for walks over many parameters. The
/// configuration must stay as it is.
class Sections {
 public:
  explicit Sections(const google::protobuf::Message& root);

  /// The message that holds the parameter, or null when its section is not set.
  const google::protobuf::Message* OwnerOf(const AccessibleParameter& parameter) const {
    return messages_[parameter.section];
  }
  bool IsSet(const AccessibleParameter& parameter) const;

 private:
  std::vector<const google::protobuf::Message*> messages_;
};

/// The message that holds the chain's last field, or null when a section on the way is not set.
const google::protobuf::Message* OwnerOf(const google::protobuf::Message& root,
                                         const FieldChain& chain);

/// The same, with sections on the way set.
google::protobuf::Message& MutableOwner(google::protobuf::Message& root, const FieldChain& chain);

bool IsSet(const google::protobuf::Message& root, const FieldChain& chain);

/// Sets the field of `to` to what it is in `from`, a message of the same type. Lists and maps
/// whole.
void CopyField(const google::protobuf::Message& from, google::protobuf::Message& to,
               const google::protobuf::FieldDescriptor& field);

/// Makes the field not set, and sections that hold nothing more with it.
void Clear(google::protobuf::Message& root, const FieldChain& chain);

bool Holds(const google::protobuf::Message& root, const std::optional<Condition>& condition);

}  // namespace lathe::schema
