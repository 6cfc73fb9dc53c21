#include "common/base/process_identity.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>

#include "common/base/file_io.h"

namespace lathe {
namespace {

struct ProcessState {
  char state = 'X';  ///< R, S, D, T, Z (ended, not waited for), X
  std::uint64_t start_ticks = 0;
};

// "PID (name) S ppid ...": the name may hold anything, so fields are counted after the last ')'.
std::optional<ProcessState> ParseStat(std::string_view stat) {
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos || name_end + 2 >= stat.size()) return {};
  std::string_view rest = stat.substr(name_end + 2);
  ProcessState result{.state = rest.front()};
  constexpr int kFieldsFromStateToStartTime = 19;
  for (int i = 0; i < kFieldsFromStateToStartTime; ++i) {
    const std::size_t space = rest.find(' ');
    if (space == std::string_view::npos) return {};
    rest.remove_prefix(space + 1);
  }
  const auto parsed = std::from_chars(rest.data(), rest.data() + rest.size(), result.start_ticks);
  if (parsed.ec != std::errc{}) return {};
  return result;
}

std::optional<ProcessState> ReadState(pid_t pid) {
  const auto stat = ReadFile("/proc/" + std::to_string(pid) + "/stat", 4096);
  return stat ? ParseStat(*stat) : std::nullopt;
}

std::string BootId() {
  auto id = ReadFile("/proc/sys/kernel/random/boot_id", 128).value_or("");
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace

Result<ProcessIdentity> Identify(pid_t pid) {
  const auto state = ReadState(pid);
  if (!state) return Failure(ErrorCode::kNotFound, "no process " + std::to_string(pid));
  return ProcessIdentity{pid, state->start_ticks, BootId()};
}

std::optional<UniqueFd> OpenIfAlive(const ProcessIdentity& identity) {
  if (identity.pid <= 0 || identity.boot_id != BootId()) return std::nullopt;
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, identity.pid, 0)));
  if (!fd) return std::nullopt;
  // Asked after the descriptor is held: from here on the pid cannot change its owner unnoticed.
  const auto state = ReadState(identity.pid);
  if (!state || state->start_ticks != identity.start_ticks) return std::nullopt;
  if (state->state == 'Z' || state->state == 'X') return std::nullopt;
  return fd;
}

bool IsAlive(const ProcessIdentity& identity) {
  return OpenIfAlive(identity).has_value();
}

std::vector<pid_t> ProcessIds() {
  std::vector<pid_t> ids;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string folder = entry.path().filename().string();
    pid_t pid = 0;
    const auto parsed = std::from_chars(folder.data(), folder.data() + folder.size(), pid);
    if (parsed.ec == std::errc{} && parsed.ptr == folder.data() + folder.size()) ids.push_back(pid);
  }
  return ids;
}

std::vector<ProcessIdentity> FindAllByEnvironment(std::string_view name, std::string_view value) {
  std::vector<ProcessIdentity> all;
  const std::string wanted = std::string(name) + "=" + std::string(value) + '\0';
  for (const pid_t pid : ProcessIds()) {
    // Other users' processes are not readable, and are not ours.
    const auto environment = ReadFile("/proc/" + std::to_string(pid) + "/environ", 4 << 20);
    if (!environment) continue;
    const std::size_t at = environment->find(wanted);
    const bool whole = at == 0 || (at != std::string::npos && (*environment)[at - 1] == '\0');
    if (!whole) continue;
    if (auto identity = Identify(pid); identity && IsAlive(*identity)) {
      all.push_back(*identity);
    }
  }
  return all;
}

}  // namespace lathe
