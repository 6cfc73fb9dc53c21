#include "worker/devices/host.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <thread>

#include "common/base/file_io.h"

namespace lathe::worker::devices {

unsigned CpuCores() {
  return std::max(1U, std::thread::hardware_concurrency());
}

std::uint64_t MemoryBytes() {
  const auto pages = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES));
  const std::uint64_t machine = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  // "max" or a number; absent outside of a version 2 control group.
  const auto text = ReadFile("/sys/fs/cgroup/memory.max", 64);
  std::uint64_t limit = 0;
  if (!text) return machine;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), limit);
  return parsed.ec == std::errc{} ? std::min(machine, limit) : machine;
}

std::string HostName() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "unknown";
  return name.data();
}

}  // namespace lathe::worker::devices
