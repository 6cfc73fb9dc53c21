#pragma once
// The coordinator's own entries in a job's stream, as they are stored and shown.

#include "coordinator/core/commit.h"
#include "coordinator/storage/store.h"

namespace lathe::storage {

/// Type `state`, fields type, time, state, reason, reasonCode.
StoredEvent ToStored(const core::StateEvent& event);

}  // namespace lathe::storage
