#include "common/base/check.h"
#include "common/schema/configuration.h"
#include "common/schema/field_access_internal.h"
#include "common/schema/read_internal.h"
#include "common/schema/write_internal.h"

namespace lathe::schema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

/// Every default of the schema, whether it applies or not: parsed once, copied from then on.
const v1::JobConfiguration& Defaults() {
  static const v1::JobConfiguration defaults = [] {
    v1::JobConfiguration all;
    for (const AccessibleParameter& accessible : AccessibleParameters()) {
      if (const auto& literal = accessible.parameter->spec->default_value(); !literal.empty()) {
        ReadDefault(literal, MutableOwner(all, accessible.chain), *accessible.chain.back());
      }
    }
    return all;
  }();
  return defaults;
}

void Copy(const Message& from, Message& to, const FieldDescriptor* field) {
  const auto& read = *from.GetReflection();
  const auto& write = *to.GetReflection();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return write.SetInt32(&to, field, read.GetInt32(from, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return write.SetInt64(&to, field, read.GetInt64(from, field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return write.SetDouble(&to, field, read.GetDouble(from, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return write.SetBool(&to, field, read.GetBool(from, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return write.SetEnumValue(&to, field, read.GetEnumValue(from, field));
    case FieldDescriptor::CPPTYPE_STRING:
      return write.SetString(&to, field, read.GetString(from, field));
    default:
      LATHE_CHECK(false, "a default of a type that cannot be copied");
  }
}

/// The parameters with a default; `conditional` chooses those with a depends_on.
std::vector<const AccessibleParameter*> WithDefault(bool conditional) {
  std::vector<const AccessibleParameter*> chosen;
  for (const AccessibleParameter& accessible : AccessibleParameters()) {
    if (!accessible.parameter->spec->default_value().empty() &&
        accessible.condition.has_value() == conditional) {
      chosen.push_back(&accessible);
    }
  }
  return chosen;
}

/// True when anything was filled in.
bool FillDefaults(const std::vector<const AccessibleParameter*>& parameters,
                  v1::JobConfiguration& configuration) {
  bool filled = false;
  for (const AccessibleParameter* accessible : parameters) {
    if (!IsSet(configuration, accessible->chain) && Holds(configuration, accessible->condition)) {
      Copy(*OwnerOf(Defaults(), accessible->chain), MutableOwner(configuration, accessible->chain),
           accessible->chain.back());
      filled = true;
    }
  }
  return filled;
}

/// Defaults that follow from other values; first, so that the plain ones leave them alone.
void FillDerived(const v1::JobConfiguration& given, v1::JobConfiguration& configuration) {
  const bool has_validation = !given.datasets().validation_file_id().empty();
  if (has_validation && !given.datasets().has_train_split()) {
    configuration.mutable_datasets()->set_train_split(1);
  }
  if (given.hardware().device() == v1::DEVICE_CHOICE_CPU && !given.model().has_precision()) {
    configuration.mutable_model()->set_precision(v1::PRECISION_FP32);
  }
  if (given.objective().type() == v1::OBJECTIVE_TYPE_DPO && !given.datasets().has_type()) {
    configuration.mutable_datasets()->set_type(v1::DATASET_TYPE_PREFERENCE);
  }
}

}  // namespace

v1::JobConfiguration Resolve(const v1::JobConfiguration& given) {
  static const std::vector<const AccessibleParameter*> plain = WithDefault(false);
  static const std::vector<const AccessibleParameter*> conditional = WithDefault(true);
  v1::JobConfiguration resolved = given;
  FillDerived(given, resolved);
  FillDefaults(plain, resolved);
  while (FillDefaults(conditional, resolved)) {
    // a default may make another one apply
  }
  if (!given.datasets().has_seed()) {
    resolved.mutable_datasets()->set_seed(resolved.seed());
  }
  if (given.optimizer().scheduler().has_warmup_steps() &&
      !given.optimizer().scheduler().has_warmup_ratio()) {
    resolved.mutable_optimizer()->mutable_scheduler()->clear_warmup_ratio();
  }
  for (auto& tool : *resolved.mutable_tools()) {
    if (!tool.has_type()) {
      tool.set_type(v1::TOOL_TYPE_FUNCTION);
    }
  }
  return resolved;
}

std::string_view ToString(ValueSource source) {
  switch (source) {
    case ValueSource::kUser:
      return "user";
    case ValueSource::kDefault:
      return "default";
    case ValueSource::kDerived:
      return "derived";
  }
  return "";
}

std::vector<ResolvedValue> Explain(const v1::JobConfiguration& given) {
  const v1::JobConfiguration resolved = Resolve(given);
  std::vector<ResolvedValue> values;
  for (const AccessibleParameter& accessible : AccessibleParameters()) {
    if (!IsSet(resolved, accessible.chain)) {
      continue;
    }
    const FieldDescriptor& field = *accessible.chain.back();
    ResolvedValue value{accessible.parameter->path,
                        FieldToJson(*OwnerOf(resolved, accessible.chain), field),
                        ValueSource::kUser};
    if (!IsSet(given, accessible.chain)) {
      const Message* defaults = OwnerOf(Defaults(), accessible.chain);
      const bool plain = defaults != nullptr && IsSet(Defaults(), accessible.chain) &&
                         FieldToJson(*defaults, field) == value.value;
      value.source = plain ? ValueSource::kDefault : ValueSource::kDerived;
    }
    values.push_back(std::move(value));
  }
  return values;
}

}  // namespace lathe::schema
