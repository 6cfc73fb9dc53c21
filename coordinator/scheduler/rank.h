#pragma once
// Which of the feasible nodes is best for a job.

#include <cstddef>
#include <optional>
#include <vector>

#include "coordinator/scheduler/snapshot.h"

namespace lathe::scheduler {

/// The node that has the job's folder; else, for GPUs, the tightest fit, so that large free blocks
/// stay whole, and for CPU slots the emptiest node, since slots of one node share its memory
/// bandwidth. The avoided node comes last. Nodes that have become too full are dropped from
/// `feasible`: a pass only takes resources away. nullopt when none is left.
std::optional<std::size_t> Best(const std::vector<NodeView>& nodes, const Shape& shape,
                                const JobView& job, std::vector<std::size_t>& feasible);

}  // namespace lathe::scheduler
