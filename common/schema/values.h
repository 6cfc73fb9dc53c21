#pragma once
// Values of any message whose fields have the (lathe.v1.parameter) option, the job configuration or
// a call: each by its own description, nothing about what belongs together. Pure and thread-safe.

#include <google/protobuf/message.h>

#include <vector>

#include "common/base/error.h"

namespace lathe::schema {

/// What is wrong with, or unusual about, the values that are set: numbers outside their range or
/// not finite, lists too short or long, texts empty or too long, tokens that do not exist or are
/// there twice, secrets that were redacted. In the order of the fields.
std::vector<Finding> CheckValues(const google::protobuf::Message& message);

/// Sets each field at the top of the message that is not set and has a default, which must not
/// depend on anything else.
void FillDefaults(google::protobuf::Message& message);

}  // namespace lathe::schema
