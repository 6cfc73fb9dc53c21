#include "coordinator/storage/redis_setup.h"

#include <string>
#include <utility>

#include "coordinator/storage/redis_functions.h"

namespace lathe::storage {
namespace {

constexpr long long kSchemaVersion = 1;

Status CheckSchema(RedisConnection& connection, const RedisKeys& keys) {
  const std::string ours = std::to_string(kSchemaVersion);
  LATHE_ASSIGN_OR_RETURN(auto set, connection.Call({"SETNX", keys.Schema(), ours}));
  LATHE_ASSIGN_OR_RETURN(auto stored, connection.Call({"GET", keys.Schema()}));
  if (Text(*stored) == ours) return {};
  return Failure(ErrorCode::kFailedPrecondition,
                 "the data in redis (key " + keys.Schema() + ") is of schema version " +
                     Text(*stored) + "; this program knows version " + ours +
                     ": run the program that wrote it, or another prefix");
}

/// 0 when the server has no library yet.
Result<long long> LoadedVersion(RedisConnection& connection) {
  auto reply = connection.Call({"FCALL_RO", "lathe_version", "0"});
  if (reply) return (*reply)->integer;
  const std::string& message = reply.error().message;
  if (message.find("Function not found") != std::string::npos) return 0;
  if (message.find("unknown command") != std::string::npos) {
    return Failure(ErrorCode::kFailedPrecondition,
                   "the server has no functions: Redis 7 (or Valkey) or newer is needed");
  }
  return Failure(reply.error());
}

Status LoadFunctions(RedisConnection& connection) {
  LATHE_ASSIGN_OR_RETURN(const long long loaded, LoadedVersion(connection));
  if (loaded > kRedisFunctionsVersion) {
    return Failure(ErrorCode::kFailedPrecondition,
                   "the function library in redis is of version " + std::to_string(loaded) +
                       "; this program brings version " + std::to_string(kRedisFunctionsVersion) +
                       ": run the newer program");
  }
  auto reply = connection.Call({"FUNCTION", "LOAD", "REPLACE", std::string(kRedisFunctions)});
  if (!reply) return Failure(reply.error().WithContext("load the function library"));
  return {};
}

struct Setting {
  std::string name;
  std::string right;
  std::string consequence;
};

Finding Wrong(const Setting& setting, const std::string& given) {
  return {.path = "redis." + setting.name,
          .severity = Severity::kWarning,
          .code = "not_durable",
          .message = setting.consequence,
          .given = '"' + given + '"',
          .expected = setting.right};
}

}  // namespace

Status PrepareServer(RedisConnection& connection, const RedisKeys& keys) {
  LATHE_RETURN_IF_ERROR(CheckSchema(connection, keys));
  return LoadFunctions(connection);
}

Result<std::vector<Finding>> CheckServerDurability(RedisConnection& connection) {
  const std::vector<Setting> settings = {
      {"appendonly", "yes", "acknowledged jobs are lost when redis stops unexpectedly"},
      {"appendfsync", "always", "acknowledged jobs of the last second can be lost"},
      {"maxmemory-policy", "noeviction", "redis may drop jobs when its memory is full"}};
  std::vector<Finding> findings;
  for (const Setting& setting : settings) {
    auto reply = connection.Call({"CONFIG", "GET", setting.name});
    if (!reply && reply.error().code == ErrorCode::kUnavailable) return Failure(reply.error());
    // Hosted servers often refuse CONFIG.
    const bool known = reply && (*reply)->elements == 2;
    const std::string value = known ? Text(*(*reply)->element[1]) : "can't be read";
    if (value != setting.right) findings.push_back(Wrong(setting, value));
  }
  return findings;
}

}  // namespace lathe::storage
