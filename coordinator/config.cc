#include "coordinator/config.h"

#include <vector>

#include "common/base/version.h"
#include "coordinator/storage/redis_store.h"

namespace lathe::coordinator {
namespace {

using daemon_config::Key;
using daemon_config::Kind;

constexpr double kHour = 3600;

std::vector<Key> Keys() {
  return {
      {"listen", Kind::kAddress, "127.0.0.1:7420", "Address of the gRPC API; port 0: any free one"},
      {"metrics_listen", Kind::kAddress, "127.0.0.1:7421", "Address of /metrics; port 0: any"},
      {"metrics_address_file", Kind::kPath, "", "The real address of /metrics is written there"},
      {"redis", Kind::kText, "tcp://127.0.0.1:6379",
       "Redis server: unix:///path/redis.sock or tcp://host:port[/db]"},
      {"redis_password_file", Kind::kPath, "", "File with the Redis password on its first line"},
      {"redis_prefix", Kind::kText, "lathe:", "Beginning of every key in Redis"},
      {"data_dir", Kind::kPath, "/var/lib/lathe/coordinator", "Folder of blobs and own files"},
      {"tls.cert", Kind::kPath, "", "PEM certificate chain of the server"},
      {"tls.key", Kind::kPath, "", "PEM private key of tls.cert"},
      {"tls.client_ca", Kind::kPath, "", "PEM authority that clients must be signed by"},
      {"secrets_key_file", Kind::kPath, "",
       "Keys that secrets in configurations are stored with; none: they are refused"},
      {"heartbeat_interval", Kind::kSeconds, "1", "Pause between a worker's heartbeats", 0.05, 60},
      {"lease", Kind::kSeconds, "10", "Silence after which a worker kills its trainers", 0.2,
       kHour},
      {"lease_grace", Kind::kSeconds, "5", "Further wait before jobs go to another node", 0.1,
       kHour},
      {"max_attempts", Kind::kInteger, "3", "Tries of a job without a new checkpoint", 1, 1000},
      {"address_file", Kind::kPath, "", "File that gets the bound address once serving"},
      {"log_level",
       Kind::kText,
       "info",
       "Least level that is logged",
       0,
       0,
       {"debug", "info", "warning", "error"}},
  };
}

}  // namespace

const daemon_config::Description& ConfigTable() {
  static const daemon_config::Description table{
      "lathe-coordinator", "Queues fine-tuning jobs and places them on the nodes of a cluster.",
      "LATHE_COORDINATOR", Version(), Keys()};
  return table;
}

Result<Config> MakeConfig(const daemon_config::Values& values) {
  Config config;
  config.listen = values.Text("listen");
  config.metrics_listen = values.Text("metrics_listen");
  config.metrics_address_file = values.Path("metrics_address_file");
  config.redis = values.Text("redis");
  config.redis_password_file = values.Path("redis_password_file");
  config.redis_prefix = values.Text("redis_prefix");
  config.data_dir = values.Path("data_dir");
  config.tls = {values.Path("tls.cert"), values.Path("tls.key"), values.Path("tls.client_ca")};
  config.lease = {values.Seconds("heartbeat_interval"), values.Seconds("lease"),
                  values.Seconds("lease_grace")};
  config.max_attempts = static_cast<std::uint32_t>(values.Integer("max_attempts"));
  config.address_file = values.Path("address_file");
  config.log_level = values.Text("log_level");

  std::vector<Finding> findings;
  if (config.lease.lease <= 3 * config.lease.heartbeat_interval) {
    findings.push_back({"lease", Severity::kError, "too_short",
                        "One lost heartbeat must not cost a node its jobs: lease must be more than "
                        "three times heartbeat_interval.",
                        values.Text("lease"), "more than 3 x heartbeat_interval"});
  }
  if (const auto redis = storage::ParseRedisUrl(config.redis); !redis) {
    findings.push_back({"redis", Severity::kError, "invalid_value", redis.error().message,
                        "\"" + config.redis + "\"",
                        "unix:///path/redis.sock or tcp://host:port[/db]"});
  }
  if (const auto tls = rpc::ServerCredentials(config.tls, config.listen); !tls) {
    findings.push_back({"listen", Severity::kError, "invalid_value", tls.error().message, "", ""});
  }
  if (const auto file = values.Path("secrets_key_file"); !file.empty()) {
    auto keyring = secrets::Keyring::Read(file);
    if (keyring) {
      config.keyring = std::move(*keyring);
    } else {
      findings.push_back({"secrets_key_file", Severity::kError, "invalid_value",
                          keyring.error().message + "; " + keyring.error().hint,
                          "\"" + file.string() + "\"", ""});
    }
  }
  if (findings.empty()) return config;
  return Failure(Error{ErrorCode::kInvalidArgument,
                       "the configuration of lathe-coordinator is wrong", std::move(findings)});
}

}  // namespace lathe::coordinator
