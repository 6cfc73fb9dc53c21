#pragma once
// Cores, memory and name of this node. Thread-safe functions.

#include <cstdint>
#include <string>

namespace lathe::worker::devices {

/// Cores this process may use (affinity respected); at least 1.
unsigned CpuCores();
/// Of the machine, or of this process's control group when that is less.
std::uint64_t MemoryBytes();
std::string HostName();

}  // namespace lathe::worker::devices
