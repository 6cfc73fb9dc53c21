#pragma once
// The memory twin of the Redis store, for simulation and tests. A MemoryDatabase stands for the
// server: several stores (several coordinators) may share one, and it outlives them.

#include <memory>

#include "common/base/clock.h"
#include "coordinator/storage/store.h"

namespace lathe::storage {

class MemoryDatabase;

/// The clock measures the leader's lease; it must outlive the database.
std::shared_ptr<MemoryDatabase> MakeMemoryDatabase(const Clock& clock);

/// One coordinator's access to it.
std::unique_ptr<Store> MakeMemoryStore(std::shared_ptr<MemoryDatabase> database);

}  // namespace lathe::storage
