#include <charconv>

#include "coordinator/storage/redis_store.h"

namespace lathe::storage {
namespace {

tl::unexpected<Error> BadUrl(std::string_view url, std::string_view why) {
  return Failure(ErrorCode::kInvalidArgument,
                 "redis \"" + std::string(url) + "\": " + std::string(why) +
                     "; right would be unix:///path/redis.sock or tcp://host:port[/db]");
}

bool ParseNumber(std::string_view text, int highest, int& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number >= 0 &&
         number <= highest;
}

Result<RedisOptions> ParseTcp(std::string_view url, std::string_view rest) {
  RedisOptions options;
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view database = rest.substr(slash + 1);
    if (!database.empty() && !ParseNumber(database, 65535, options.database)) {
      return BadUrl(url, "the database is not a number");
    }
    rest = rest.substr(0, slash);
  }
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) return BadUrl(url, "the port is missing");
  if (!ParseNumber(rest.substr(colon + 1), 65535, options.port) || options.port == 0) {
    return BadUrl(url, "the port is not a number from 1 to 65535");
  }
  options.host = std::string(rest.substr(0, colon));
  if (options.host.empty()) return BadUrl(url, "the host is missing");
  return options;
}

}  // namespace

Result<RedisOptions> ParseRedisUrl(std::string_view url) {
  constexpr std::string_view kUnix = "unix://";
  constexpr std::string_view kTcp = "tcp://";
  if (url.starts_with(kTcp)) return ParseTcp(url, url.substr(kTcp.size()));
  if (!url.starts_with(kUnix)) return BadUrl(url, "it begins with neither unix:// nor tcp://");
  RedisOptions options;
  options.unix_socket = std::string(url.substr(kUnix.size()));
  if (!options.unix_socket.starts_with('/')) return BadUrl(url, "the path is not absolute");
  return options;
}

}  // namespace lathe::storage
