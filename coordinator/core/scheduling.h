#pragma once
// Between the state and the scheduler's view of it.

#include "coordinator/core/state.h"
#include "coordinator/scheduler/snapshot.h"

namespace lathe::core {

/// Nodes that can be given work, by id.
std::vector<scheduler::NodeView> ViewNodes(const State& state);

/// All that may start now. Valid until the next step.
scheduler::Snapshot MakeSnapshot(const State& state, const Now& now);

}  // namespace lathe::core
