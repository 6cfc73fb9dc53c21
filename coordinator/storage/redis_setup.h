#pragma once
// What is done once when a store is opened: schema version, function library, and a look at the
// server's settings.

#include <vector>

#include "common/base/result.h"
#include "coordinator/storage/redis_commands.h"
#include "coordinator/storage/redis_connection.h"

namespace lathe::storage {

/// kFailedPrecondition when stored data or library are of a newer program, or the server is too
/// old.
Status PrepareServer(RedisConnection& connection, const RedisKeys& keys);

/// Settings with which acknowledged work can be lost.
Result<std::vector<Finding>> CheckServerDurability(RedisConnection& connection);

}  // namespace lathe::storage
