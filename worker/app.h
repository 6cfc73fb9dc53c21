#pragma once
// The worker daemon as a whole: puts the parts together, in order, and takes them apart.

#include <string>
#include <vector>

namespace lathe::worker {

/// Exit codes of lathe-worker.
inline constexpr int kExitFailed = 1;
inline constexpr int kExitInvalidConfiguration = 6;
/// Another worker holds the data folder, or the coordinator speaks another protocol version.
inline constexpr int kExitConflict = 7;

/// Runs until SIGTERM or SIGINT; trainers are left running. Errors go to standard error. Returns
/// the process's exit code.
int RunApp(const std::vector<std::string>& arguments);

}  // namespace lathe::worker
