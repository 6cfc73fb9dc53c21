#include "coordinator/leadership.h"

#include <string>
#include <utility>

#include "common/base/file_io.h"
#include "common/base/log.h"
#include "coordinator/storage/redis_store.h"

namespace lathe::coordinator {
namespace {

constexpr Duration kStandbyPause = std::chrono::milliseconds(500);

bool MayPass(ErrorCode code) {
  return code == ErrorCode::kFailedPrecondition || code == ErrorCode::kUnavailable;
}

Result<std::string> ReadPassword(const std::filesystem::path& path) {
  if (path.empty()) return std::string();
  auto text = ReadFile(path, 4096);
  if (!text) return Failure(text.error().WithContext("redis_password_file"));
  return text->substr(0, text->find_first_of("\r\n"));
}

void WarnOfDurability(storage::Store& store) {
  const auto findings = store.CheckDurability();
  if (!findings) return;
  for (const Finding& finding : *findings) {
    log::Warning("store_not_durable", {{"setting", finding.path},
                                       {"given", finding.given},
                                       {"expected", finding.expected},
                                       {"why", finding.message}});
  }
}

}  // namespace

Result<std::unique_ptr<storage::Store>> OpenStore(const Config& config) {
  LATHE_ASSIGN_OR_RETURN(storage::RedisOptions options, storage::ParseRedisUrl(config.redis));
  LATHE_ASSIGN_OR_RETURN(options.password, ReadPassword(config.redis_password_file));
  options.prefix = config.redis_prefix;
  auto store = storage::OpenRedisStore(std::move(options));
  if (!store) {
    Error error = store.error().WithContext("cannot use Redis at " + config.redis);
    error.hint =
        "Start it (redis-server, or `lathe up`, which brings its own), or set redis to "
        "where it listens.";
    return Failure(std::move(error));
  }
  WarnOfDurability(**store);
  return store;
}

Result<std::uint64_t> Lead(storage::Store& store, const std::string& identity, Duration ttl,
                           StopSignal& stop) {
  std::string told;
  while (true) {
    auto epoch = store.AcquireLeadership(identity, ttl);
    // A standby also outlasts an outage of the store.
    if (epoch || !MayPass(epoch.error().code)) return epoch;
    if (told != epoch.error().message) {
      told = epoch.error().message;
      log::Info("standby", {{"reason", told}});
    }
    if (stop.Wait(kStandbyPause)) {
      return Failure(ErrorCode::kCancelled, "told to stop while waiting to lead");
    }
  }
}

}  // namespace lathe::coordinator
