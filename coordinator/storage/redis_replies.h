#pragma once
// Replies about resources as values. kDataLoss when a reply is not of the expected shape.

#include <optional>
#include <vector>

#include "coordinator/storage/redis_connection.h"
#include "coordinator/storage/resource.h"

namespace lathe::storage {

Result<long long> ParseInteger(std::string_view text);

/// Of lathe_write.
Result<ResourceWriteResult> ReadWriteReply(const redisReply& reply);
/// Of HMGET revision head body uses used.
Result<std::optional<Resource>> ReadResourceReply(const redisReply& reply);
/// Of lathe_list.
Result<std::vector<ListedResource>> ReadListReply(const redisReply& reply);

}  // namespace lathe::storage
