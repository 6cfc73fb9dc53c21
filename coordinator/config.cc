#include "coordinator/config.h"

#include <algorithm>
#include <vector>

#include "common/base/version.h"
#include "coordinator/storage/redis_store.h"

namespace lathe::coordinator {
namespace {

using daemon_config::Key;
using daemon_config::Kind;

constexpr double kHour = 3600;

/// The services that fine-tune: every engine but this cluster.
std::vector<const providers::Engine*> Services() {
  std::vector<const providers::Engine*> services;
  for (const providers::Engine& engine : providers::Engines()) {
    if (!engine.is_cluster()) services.push_back(&engine);
  }
  return services;
}

std::string EngineKey(const providers::Engine& engine, const char* key) {
  return "providers." + engine.id + "." + key;
}

std::vector<Key> Keys() {
  std::vector<Key> keys = {
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
      {"tls.client_ca", Kind::kPath, "",
       "PEM authority that clients must be signed by; a worker's common name is worker:NODE_ID"},
      {"secrets_key_file", Kind::kPath, "",
       "Keys that secrets in configurations are stored with; none: they are refused"},
      {"price.cpu_slot_hour", Kind::kNumber, "",
       "What a CPU slot costs an hour; none: no costs told", 0, 1e6},
      {"price.gpu_hour", Kind::kNumber, "", "What a GPU costs an hour; none: no costs told", 0,
       1e6},
      {"heartbeat_interval", Kind::kSeconds, "1", "Pause between a worker's heartbeats", 0.05, 60},
      {"lease", Kind::kSeconds, "10", "Silence after which a worker kills its trainers", 0.2,
       kHour},
      {"lease_grace", Kind::kSeconds, "5", "Further wait before jobs go to another node", 0.1,
       kHour},
      {"max_attempts", Kind::kInteger, "3", "Tries of a job without a new checkpoint", 1, 1000},
      {"providers.poll_interval", Kind::kSeconds, "10",
       "Pause between questions for a job at a service; longer while nothing changes", 0.05, kHour},
      {"providers.start_settle", Kind::kSeconds, "60",
       "How long a start at a service that may have been lost is looked for before it is repeated",
       0.05, kHour},
      {"address_file", Kind::kPath, "", "File that gets the bound address once serving"},
      {"log_level",
       Kind::kText,
       "info",
       "Least level that is logged",
       0,
       0,
       {"debug", "info", "warning", "error"}},
  };
  for (const providers::Engine* engine : Services()) {
    keys.push_back({EngineKey(*engine, "base_url"), Kind::kText, engine->base_url,
                    "Address of " + engine->title});
    keys.push_back({EngineKey(*engine, "api_key_file"), Kind::kPath, "",
                    "File with the key of " + engine->title + " on its first line"});
    keys.push_back({EngineKey(*engine, "max_jobs"), Kind::kInteger, "64",
                    "Jobs that " + engine->title + " may have at once; others wait", 1, 10000});
  }
  return keys;
}

/// The key on a file's first line; empty without a file.
Result<std::string> ReadKey(const std::filesystem::path& file) {
  if (file.empty()) return std::string();
  LATHE_ASSIGN_OR_RETURN(const std::string text, secrets::ReadPrivateFile(file));
  const std::string key = text.substr(0, text.find_first_of("\r\n"));
  const bool plain =
      std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (key.empty() || !plain) {
    return Failure(ErrorCode::kInvalidArgument,
                   file.string() + " does not begin with a key of printable characters");
  }
  return key;
}

Finding MakeFinding(const std::string& key, const Error& error, const std::string& given) {
  return {key,
          Severity::kError,
          "invalid_value",
          error.message + (error.hint.empty() ? "" : "; " + error.hint),
          "\"" + given + "\"",
          ""};
}

providers::Settings ReadEngines(const daemon_config::Values& values,
                                std::vector<Finding>& findings) {
  providers::Settings engines;
  for (const providers::Engine* engine : Services()) {
    const std::string url_key = EngineKey(*engine, "base_url");
    const std::string file_key = EngineKey(*engine, "api_key_file");
    auto url = providers::CheckBaseUrl(values.Text(url_key));
    auto key = ReadKey(values.Path(file_key));
    if (!url) findings.push_back(MakeFinding(url_key, url.error(), values.Text(url_key)));
    if (!key) findings.push_back(MakeFinding(file_key, key.error(), values.Path(file_key)));
    const auto max_jobs =
        static_cast<std::uint32_t>(values.Integer(EngineKey(*engine, "max_jobs")));
    if (url && key) engines[engine->id] = {std::move(*url), std::move(*key), max_jobs};
  }
  return engines;
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
  config.engine_timing = {values.Seconds("providers.poll_interval"),
                          values.Seconds("providers.start_settle")};
  config.prices = {values.Number("price.cpu_slot_hour"), values.Number("price.gpu_hour")};
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
      findings.push_back(MakeFinding("secrets_key_file", keyring.error(), file.string()));
    }
  }
  config.engines = ReadEngines(values, findings);
  if (findings.empty()) return config;
  return Failure(Error{ErrorCode::kInvalidArgument,
                       "the configuration of lathe-coordinator is wrong", std::move(findings)});
}

}  // namespace lathe::coordinator
