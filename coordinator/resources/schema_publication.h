#pragma once
// The schema of job configurations, given to the store for other programs to read.

#include "common/base/result.h"
#include "coordinator/storage/store.h"

namespace lathe::resources {

/// Publishes this program's. kFailedPrecondition when a newer program has published its own: what
/// is stored may not be readable for this one.
Status PublishSchema(storage::Store& store);

}  // namespace lathe::resources
