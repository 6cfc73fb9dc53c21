#pragma once
// The coordinator's settings and the table that describes them.

#include <filesystem>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "common/daemon_config/daemon_config.h"
#include "common/domain/lease.h"
#include "common/rpc/credentials.h"
#include "common/secrets/keyring.h"
#include "coordinator/engine_jobs/pace.h"
#include "coordinator/estimation/estimation.h"
#include "coordinator/providers/settings.h"

namespace lathe::coordinator {

struct Config {
  std::string listen;
  std::string metrics_listen;
  std::filesystem::path metrics_address_file;  ///< empty: not written
  std::string redis;                           ///< unix:///path or tcp://host:port[/db]
  std::filesystem::path redis_password_file;   ///< empty: none
  std::string redis_prefix;
  std::filesystem::path data_dir;
  rpc::TlsFiles tls;
  std::optional<secrets::Keyring> keyring;  ///< of secrets_key_file; none: secrets are refused
  providers::Settings engines;              ///< addresses and keys of services that fine-tune
  engine_jobs::Timing engine_timing;
  estimation::Prices prices;
  domain::LeaseTerms lease;
  std::uint32_t max_attempts = 3;
  std::filesystem::path address_file;  ///< empty: not written
  std::string log_level;
};

/// Every key, for daemon_config::Load.
const daemon_config::Description& ConfigTable();

/// The settings from their checked texts. kInvalidArgument with findings for values that do not fit
/// together.
Result<Config> MakeConfig(const daemon_config::Values& values);

}  // namespace lathe::coordinator
