#pragma once
// From a configuration to a store that this process leads in.

#include <cstdint>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "coordinator/config.h"
#include "coordinator/stop_signal.h"
#include "coordinator/storage/store.h"

namespace lathe::coordinator {

/// Connects to Redis and warns of settings that could lose acknowledged work. kUnavailable, naming
/// address and remedy, when nobody answers.
Result<std::unique_ptr<storage::Store>> OpenStore(const Config& config);

/// Waits as a standby while another coordinator leads. The epoch; kCancelled when told to stop.
Result<std::uint64_t> Lead(storage::Store& store, const std::string& identity, Duration ttl,
                           StopSignal& stop);

}  // namespace lathe::coordinator
