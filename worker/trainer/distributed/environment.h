#pragma once
// Which of several processes of one job this is, as launchers such as torchrun tell it: RANK,
// WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT in the environment. On one machine a file in
// place of an address will do: LATHE_RENDEZVOUS_FILE. Pure.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/base/result.h"

namespace lathe::trainer::distributed {

struct World {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  ///< among the processes of this machine: the number of its GPU
  /// Where the processes meet, instead of at an address: no file of that name may be there before
  /// the first of them comes. Empty: at the address.
  std::filesystem::path rendezvous_file;
  std::string master_address;
  std::uint16_t master_port = 0;
  /// How long a process waits for the others, in LATHE_DISTRIBUTED_TIMEOUT (whole seconds).
  std::chrono::seconds timeout{300};
};

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// One process alone when WORLD_SIZE is not set. kInvalidArgument with a finding for every variable
/// that is missing or wrong.
Result<World> ReadWorld(const Environment& environment);
/// Of this process.
Result<World> ReadWorld();

}  // namespace lathe::trainer::distributed
