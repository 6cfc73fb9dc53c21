#pragma once
// Why a pending job waits, worked out against the state as it is now. The first jobs of the queue
// carry this reason in their record already; for any other it is asked here.

#include "common/domain/reason.h"
#include "coordinator/core/state.h"

namespace lathe::core {

/// The reason in the record for a job that is not pending.
domain::Reason Explain(const State& state, const domain::Job& job, const Now& now);

}  // namespace lathe::core
