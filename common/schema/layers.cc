#include "common/schema/layers.h"

#include <google/protobuf/message.h>

#include <vector>

#include "common/schema/reflection_internal.h"

namespace lathe::schema {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void ClearReplacedLists(const Message& above, Message& below) {
  std::vector<const FieldDescriptor*> fields;
  above.GetReflection()->ListFields(above, &fields);
  const auto& reflection = *below.GetReflection();
  for (const FieldDescriptor* field : fields) {
    if (field->is_map()) continue;
    if (field->is_repeated() || IsFreeForm(*field)) {
      reflection.ClearField(&below, field);
    } else if (IsSection(*field)) {
      ClearReplacedLists(above.GetReflection()->GetMessage(above, field),
                         *reflection.MutableMessage(&below, field));
    }
  }
}

}  // namespace

v1::JobConfiguration Overlay(const v1::JobConfiguration& below, const v1::JobConfiguration& above) {
  v1::JobConfiguration out = below;
  ClearReplacedLists(above, out);
  out.MergeFrom(above);
  return out;
}

}  // namespace lathe::schema
