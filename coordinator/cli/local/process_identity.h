#pragma once
// A process that is still the same one: its id together with its start time, since the kernel gives
// ids again. Linux only (/proc).

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace lathe::cli {

struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_time = 0;  ///< clock ticks since boot, /proc/PID/stat field 22
  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

/// The living process of that id; nullopt when there is none or it has ended unreaped.
std::optional<ProcessIdentity> IdentityOf(pid_t pid);
bool IsAlive(const ProcessIdentity& identity);

/// "PID START\n" in a file, and back. A missing or unreadable file is no process.
Status WriteIdentity(const std::filesystem::path& file, const ProcessIdentity& identity);
std::optional<ProcessIdentity> ReadLiving(const std::filesystem::path& file);

enum class StopResult { kEnded, kKilled };
/// TERM, and KILL once `patience` is over; returns when they are gone. They need not be children.
StopResult StopProcesses(const std::vector<ProcessIdentity>& processes, Duration patience);

/// Living `lathe-trainer` processes whose arguments name a file below the folder.
std::vector<ProcessIdentity> TrainersBelow(const std::filesystem::path& folder);

}  // namespace lathe::cli
