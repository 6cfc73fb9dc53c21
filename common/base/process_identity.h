#pragma once
// Names a process so that a later one with the same pid is not taken for it: pid, kernel start
// time, boot. Linux only (/proc). Thread-safe functions.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace lathe {

struct ProcessIdentity {
  pid_t pid = 0;
  std::uint64_t start_ticks = 0;  ///< field 22 of /proc/PID/stat: clock ticks since boot
  std::string boot_id;            ///< /proc/sys/kernel/random/boot_id
  friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

/// kNotFound when there is no such process.
Result<ProcessIdentity> Identify(pid_t pid);

/// A pidfd of that very process; nullopt when it is gone, ended without having been waited for, or
/// its pid belongs to another one by now.
std::optional<UniqueFd> OpenIfAlive(const ProcessIdentity& identity);
bool IsAlive(const ProcessIdentity& identity);

/// The ids of all processes that there are now.
std::vector<pid_t> ProcessIds();

/// The processes of this user whose environment holds `name=value`: how trainers are found when the
/// daemon died between starting them and writing down their pids. In no order.
std::vector<ProcessIdentity> FindAllByEnvironment(std::string_view name, std::string_view value);

}  // namespace lathe
