#pragma once
// The scheduling pass, a pure function: snapshot in, plan out. Order (queue_order.h), then for each
// job filter (filter.h), rank (rank.h) and place. A shape that found no place once is not tried
// again in the same pass, since a pass only takes resources away.

#include "common/domain/reason.h"
#include "coordinator/scheduler/plan.h"
#include "coordinator/scheduler/snapshot.h"

namespace lathe::scheduler {

Plan MakePlan(Snapshot snapshot);

/// Why a job of that shape has no place now; kQueued when there is one.
domain::Reason Explain(const std::vector<NodeView>& nodes, const Shape& shape);

}  // namespace lathe::scheduler
