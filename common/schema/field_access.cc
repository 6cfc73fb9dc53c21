#include <algorithm>
#include <memory>
#include <unordered_map>
#include <utility>

#include "common/base/check.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/reflection_internal.h"
#include "lathe/v1/job_configuration.pb.h"

namespace lathe::schema {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

FieldChain ChainOf(std::string_view path) {
  FieldChain chain;
  const Descriptor* message = v1::JobConfiguration::descriptor();
  while (!path.empty()) {
    const std::string_view key = path.substr(0, path.find('.'));
    path.remove_prefix(std::min(path.size(), key.size() + 1));
    for (int i = 0; i < message->field_count(); ++i) {
      if (message->field(i)->json_name() == key) {
        chain.push_back(message->field(i));
      }
    }
    message = chain.back()->message_type();
  }
  return chain;
}

int NumberOf(const FieldDescriptor& field, std::string_view value) {
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
    return value == "true" ? 1 : 0;
  }
  const auto number = NumberOfToken(*field.enum_type(), value);
  LATHE_CHECK(number.has_value(), "a depends_on names an unknown token");
  return *number;
}

std::optional<Condition> ConditionOf(std::string_view text) {
  if (text.empty()) {
    return std::nullopt;
  }
  const std::size_t equals = text.find('=');
  LATHE_CHECK(FindParameter(text.substr(0, equals)) != nullptr, "a depends_on names no parameter");
  Condition condition{ChainOf(text.substr(0, equals)), {}};
  std::string_view values = text.substr(equals + 1);
  while (!values.empty()) {
    const std::string_view value = values.substr(0, values.find(','));
    condition.numbers.push_back(NumberOf(*condition.chain.back(), value));
    values.remove_prefix(std::min(values.size(), value.size() + 1));
  }
  return condition;
}

/// Of lists, maps and free-form objects; through a message that holds nothing else.
void CopyWhole(const Message& from, Message& to, const FieldDescriptor& field) {
  to.GetReflection()->ClearField(&to, &field);
  if (!field.is_repeated()) {
    to.GetReflection()
        ->MutableMessage(&to, &field)
        ->CopyFrom(from.GetReflection()->GetMessage(from, &field));
    return;
  }
  const std::unique_ptr<Message> alone(from.New());
  alone->CopyFrom(from);
  std::vector<const FieldDescriptor*> set;
  alone->GetReflection()->ListFields(*alone, &set);
  for (const FieldDescriptor* other : set) {
    if (other != &field) {
      alone->GetReflection()->ClearField(alone.get(), other);
    }
  }
  to.MergeFrom(*alone);
}

bool HasField(const Message& owner, const FieldDescriptor& field) {
  const auto& reflection = *owner.GetReflection();
  return field.is_repeated() ? reflection.FieldSize(owner, &field) > 0
                             : reflection.HasField(owner, &field);
}

/// A section and the one around it; the first is the configuration itself.
struct Section {
  std::size_t parent = 0;
  const FieldDescriptor* field = nullptr;
};

struct Accessible {
  std::vector<AccessibleParameter> parameters;
  std::vector<Section> sections = {{}};  ///< parents come first
};

std::size_t SectionOf(const FieldChain& chain, std::vector<Section>& sections) {
  std::size_t at = 0;
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    const auto known = std::find_if(sections.begin(), sections.end(), [&](const Section& section) {
      return section.parent == at && section.field == chain[i];
    });
    const auto number = static_cast<std::size_t>(known - sections.begin());
    if (known == sections.end()) sections.push_back({at, chain[i]});
    at = number;
  }
  return at;
}

const Accessible& All() {
  static const Accessible accessible = [] {
    Accessible all;
    for (const Parameter& parameter : ParameterPaths()) {
      if (parameter.path.find('[') == std::string::npos) {
        FieldChain chain = ChainOf(parameter.path);
        const std::size_t section = SectionOf(chain, all.sections);
        all.parameters.push_back(
            {&parameter, std::move(chain), ConditionOf(parameter.depends_on), section});
      }
    }
    return all;
  }();
  return accessible;
}

}  // namespace

const std::vector<AccessibleParameter>& AccessibleParameters() {
  return All().parameters;
}

Sections::Sections(const Message& root) : messages_{&root} {
  const std::vector<Section>& sections = All().sections;
  messages_.reserve(sections.size());
  for (std::size_t i = 1; i < sections.size(); ++i) {
    const Message* parent = messages_[sections[i].parent];
    const FieldDescriptor* field = sections[i].field;
    const bool set = parent != nullptr && parent->GetReflection()->HasField(*parent, field);
    messages_.push_back(set ? &parent->GetReflection()->GetMessage(*parent, field) : nullptr);
  }
}

bool Sections::IsSet(const AccessibleParameter& parameter) const {
  const Message* owner = OwnerOf(parameter);
  return owner != nullptr && HasField(*owner, *parameter.chain.back());
}

const AccessibleParameter* FindAccessible(std::string_view path) {
  static const std::unordered_map<std::string_view, const AccessibleParameter*> index = [] {
    std::unordered_map<std::string_view, const AccessibleParameter*> by_path;
    for (const AccessibleParameter& accessible : AccessibleParameters()) {
      by_path.emplace(accessible.parameter->path, &accessible);
    }
    return by_path;
  }();
  const auto found = index.find(path);
  return found == index.end() ? nullptr : found->second;
}

const Message* OwnerOf(const Message& root, const FieldChain& chain) {
  const Message* message = &root;
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    const auto& reflection = *message->GetReflection();
    if (!reflection.HasField(*message, chain[i])) {
      return nullptr;
    }
    message = &reflection.GetMessage(*message, chain[i]);
  }
  return message;
}

Message& MutableOwner(Message& root, const FieldChain& chain) {
  Message* message = &root;
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) {
    message = message->GetReflection()->MutableMessage(message, chain[i]);
  }
  return *message;
}

bool IsSet(const Message& root, const FieldChain& chain) {
  const Message* owner = OwnerOf(root, chain);
  return owner != nullptr && HasField(*owner, *chain.back());
}

void CopyField(const Message& from, Message& to, const FieldDescriptor& field) {
  const auto& read = *from.GetReflection();
  const auto& write = *to.GetReflection();
  if (field.is_repeated() || field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
    return CopyWhole(from, to, field);
  }
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return write.SetInt32(&to, &field, read.GetInt32(from, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return write.SetInt64(&to, &field, read.GetInt64(from, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return write.SetDouble(&to, &field, read.GetDouble(from, &field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return write.SetBool(&to, &field, read.GetBool(from, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return write.SetEnumValue(&to, &field, read.GetEnumValue(from, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return write.SetString(&to, &field, read.GetString(from, &field));
    default:
      LATHE_CHECK(false, "a field of a type that cannot be copied");
  }
}

void Clear(Message& root, const FieldChain& chain) {
  Message& owner = MutableOwner(root, chain);
  owner.GetReflection()->ClearField(&owner, chain.back());
  const bool is_section = chain.size() > 1;
  if (is_section && owner.ByteSizeLong() == 0) {
    Clear(root, FieldChain(chain.begin(), chain.end() - 1));
  }
}

bool Holds(const Message& root, const std::optional<Condition>& condition) {
  if (!condition) {
    return true;
  }
  const Message* owner = OwnerOf(root, condition->chain);
  if (owner == nullptr || !IsSet(root, condition->chain)) {
    return false;
  }
  const FieldDescriptor* field = condition->chain.back();
  const int number = field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL
                         ? static_cast<int>(owner->GetReflection()->GetBool(*owner, field))
                         : owner->GetReflection()->GetEnumValue(*owner, field);
  return std::find(condition->numbers.begin(), condition->numbers.end(), number) !=
         condition->numbers.end();
}

}  // namespace lathe::schema
