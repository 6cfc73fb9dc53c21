#pragma once
// What the trainers of the nodes that are present tell of themselves.

#include <vector>

#include "coordinator/api/context.h"

namespace lathe::api {

std::vector<v1::TrainerCapabilities> TrainersOf(const Context& context,
                                                const std::vector<runtime::NodeView>& nodes);

}  // namespace lathe::api
