#pragma once
// The processes of a cluster on this machine: pid files, and stopping what need not be a child.

#include <filesystem>
#include <optional>
#include <vector>

#include "common/base/clock.h"
#include "common/base/process_identity.h"
#include "common/base/result.h"

namespace lathe::cli {

/// "PID START BOOT\n" in a file, and back. A missing or unreadable file is no process.
Status WriteIdentity(const std::filesystem::path& file, const ProcessIdentity& identity);
std::optional<ProcessIdentity> ReadLiving(const std::filesystem::path& file);

enum class StopResult { kEnded, kKilled };
/// TERM, and KILL once `patience` is over; returns when they are gone. They need not be children.
StopResult StopProcesses(const std::vector<ProcessIdentity>& processes, Duration patience);

/// Living `lathe-trainer` processes whose arguments name a file below the folder.
std::vector<ProcessIdentity> TrainersBelow(const std::filesystem::path& folder);

}  // namespace lathe::cli
