#pragma once
// The worker's configuration. Each key is also a flag and an environment variable (LATHE_WORKER_…),
// see common/daemon_config.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/daemon_config/daemon_config.h"
#include "common/rpc/credentials.h"

namespace lathe::worker {

struct Config {
  std::string coordinator;
  std::filesystem::path data_dir;
  std::filesystem::path models_dir;
  std::string node_id;  ///< empty: neither given nor named by tls.cert; see DataFolder
  unsigned cpu_slots = 1;
  unsigned cpu_threads = 0;  ///< of a job; 0: what the coordinator says, or cores / slots
  unsigned cpu_ranks = 1;    ///< trainers that share a CPU job and its threads
  std::string base_weights;  ///< of a job of several trainers: "auto", "replicated", "sharded"
  bool use_gpus = true;
  std::filesystem::path trainer;
  std::uint64_t cache_bytes = 0;
  std::string metrics_listen;
  std::filesystem::path metrics_address_file;  ///< empty: none
  rpc::TlsFiles tls;
  std::string log_level;
};

/// The table of keys.
daemon_config::Description Describe();

/// Checks what the table cannot: that programs and folders are there. All findings at once.
Result<Config> MakeConfig(const daemon_config::Values& values);

}  // namespace lathe::worker
