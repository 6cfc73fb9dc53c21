#pragma once
// The index of pending jobs. Kept by whoever changes a job's state (transaction.h); read by the
// scheduling pass.

#include "common/domain/job.h"
#include "coordinator/core/state.h"

namespace lathe::core {

void Enqueue(State& state, const domain::Job& job);
void Dequeue(State& state, const domain::Job& job);

/// What a job's placement depends on.
scheduler::Shape ShapeFor(const domain::JobSpec& spec);

/// The number of a job's shape, given at its first appearance.
std::uint32_t ShapeOf(State& state, const domain::JobSpec& spec);

}  // namespace lathe::core
