#pragma once
// The base models that nodes have registered.

#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "coordinator/runtime/view.h"

namespace lathe::api {

/// What is wrong with the name of a base model: an error when nodes have registered and none has
/// it, a warning while no node has registered at all, nullopt when it is known.
std::optional<Finding> CheckBaseModel(const std::string& model,
                                      const std::vector<runtime::NodeView>& nodes);

}  // namespace lathe::api
