#pragma once
// Consistency of a description, whatever file it came from.

#include "worker/trainer/model/description.h"

namespace lathe::trainer::model {

/// The plain sizes alone, before anything is laid out by them. kInvalidArgument names `source` and
/// the size that is wrong.
Status CheckSizes(const ModelDescription& description, const std::string& source);

/// Everything: kInvalidArgument names `source` and what does not fit.
Status CheckDescription(const ModelDescription& description, const std::string& source);

}  // namespace lathe::trainer::model
