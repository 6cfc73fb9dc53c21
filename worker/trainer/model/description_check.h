#pragma once
// Consistency of a description, whatever file it came from.

#include "worker/trainer/model/description.h"

namespace lathe::trainer::model {

/// kInvalidArgument names `source` and the sizes that do not fit each other.
Status CheckDescription(const ModelDescription& description, const std::string& source);

}  // namespace lathe::trainer::model
