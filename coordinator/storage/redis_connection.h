#pragma once
// One connection to a Redis server that comes back by itself. A call that fails on the way is sent
// once more over a new connection, so only calls that may be repeated belong here.
//
// Errors: kUnavailable (not reachable, loading, out of time), kUnauthenticated, kAborted (the
// functions' own refusals FENCED, CONFLICT, GAP), kFailedPrecondition (HELD, NEWER),
// kResourceExhausted (memory or disk full), kInternal for any other error reply. Thread-safe: one
// call at a time.

#include <hiredis/hiredis.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "coordinator/storage/redis_store.h"

namespace lathe::storage {

using RedisCommand = std::vector<std::string>;

struct FreeRedisReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using RedisReply = std::unique_ptr<redisReply, FreeRedisReply>;

class RedisConnection {
 public:
  explicit RedisConnection(RedisOptions options) : options_(std::move(options)) {}

  Result<RedisReply> Call(const RedisCommand& command);
  /// In one round trip; one result a command. The outer error: nothing is known of any of them.
  Result<std::vector<Result<RedisReply>>> Pipeline(const std::vector<RedisCommand>& commands);
  /// As one transaction in one round trip: the server runs them in one go and so syncs its file
  /// once, where a pipeline that arrives in pieces costs a sync each. The first error; what follows
  /// it may have been run.
  Status Transaction(const std::vector<RedisCommand>& commands);

 private:
  struct FreeContext {
    void operator()(redisContext* context) const { redisFree(context); }
  };

  Status Connect();
  Status Greet();
  Result<std::vector<Result<RedisReply>>> Exchange(const std::vector<RedisCommand>& commands);
  Error Broken() const;

  const RedisOptions options_;
  std::mutex mutex_;  ///< guards context_ and its conversation
  std::unique_ptr<redisContext, FreeContext> context_;
};

/// The text of a string or status reply.
std::string Text(const redisReply& reply);

}  // namespace lathe::storage
