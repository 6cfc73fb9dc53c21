#pragma once
// Takes a job's resources from a node.

#include <cstdint>
#include <vector>

#include "coordinator/scheduler/snapshot.h"

namespace lathe::scheduler {

/// The GPU indices given, lowest first; none for a job on CPU slots. The node must have room.
std::vector<std::uint32_t> Take(NodeView& node, const Shape& shape);

}  // namespace lathe::scheduler
