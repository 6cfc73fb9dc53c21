#pragma once
// The store on Redis 7 or Valkey, standalone. Every change of state is one call of the function
// library in lathe.lua, which is loaded at the first connection. Reconnects by itself.

#include <memory>
#include <string>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "coordinator/storage/store.h"

namespace lathe::storage {

struct RedisOptions {
  std::string unix_socket;  ///< path; used when not empty
  std::string host = "127.0.0.1";
  int port = 6379;
  int database = 0;
  std::string password;  ///< empty: none
  std::string prefix = "lathe:";
  Duration connect_timeout = std::chrono::seconds(5);
  Duration call_timeout = std::chrono::seconds(10);
};

/// `unix:///path/redis.sock` or `tcp://host:port[/db]`. kInvalidArgument says what would be right.
Result<RedisOptions> ParseRedisUrl(std::string_view url);

/// Connects, checks the stored schema version and loads the functions. kFailedPrecondition when the
/// server or the stored data are of a version this program does not know, kUnauthenticated when the
/// password is refused, kUnavailable when nobody answers.
Result<std::unique_ptr<Store>> OpenRedisStore(RedisOptions options);

}  // namespace lathe::storage
