#include "coordinator/cli/local/processes.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>

#include "common/base/file_io.h"

namespace lathe::cli {
namespace {

constexpr std::chrono::milliseconds kPollInterval{20};
constexpr std::string_view kTrainerProgram = "lathe-trainer";

std::string ReadProc(pid_t pid, const char* name) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::vector<std::string> CommandLine(pid_t pid) {
  std::vector<std::string> words;
  std::istringstream text(ReadProc(pid, "cmdline"));
  for (std::string word; std::getline(text, word, '\0');) words.push_back(word);
  return words;
}

bool IsTrainerBelow(pid_t pid, const std::string& folder) {
  const std::vector<std::string> words = CommandLine(pid);
  if (words.empty() || std::filesystem::path(words[0]).filename() != kTrainerProgram) return false;
  return std::any_of(words.begin() + 1, words.end(),
                     [&](const std::string& word) { return word.starts_with(folder + "/"); });
}

std::vector<ProcessIdentity> Living(const std::vector<ProcessIdentity>& processes) {
  std::vector<ProcessIdentity> living;
  std::copy_if(processes.begin(), processes.end(), std::back_inserter(living), IsAlive);
  return living;
}

bool WaitUntilGone(const std::vector<ProcessIdentity>& processes, Duration patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!Living(processes).empty()) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPollInterval);
  }
  return true;
}

void SignalAll(const std::vector<ProcessIdentity>& processes, int signal_number) {
  for (const ProcessIdentity& process : processes) {
    const auto handle = OpenIfAlive(process);
    if (handle) ::syscall(SYS_pidfd_send_signal, handle->get(), signal_number, nullptr, 0);
  }
}

}  // namespace

Status WriteIdentity(const std::filesystem::path& file, const ProcessIdentity& identity) {
  return WriteFileAtomically(file, std::to_string(identity.pid) + " " +
                                       std::to_string(identity.start_ticks) + " " +
                                       identity.boot_id + "\n");
}

std::optional<ProcessIdentity> ReadLiving(const std::filesystem::path& file) {
  const Result<std::string> text = ReadFile(file, 256);
  if (!text) return std::nullopt;
  std::istringstream fields(*text);
  ProcessIdentity identity;
  if (!(fields >> identity.pid >> identity.start_ticks >> identity.boot_id)) return std::nullopt;
  if (!IsAlive(identity)) return std::nullopt;
  return identity;
}

StopResult StopProcesses(const std::vector<ProcessIdentity>& processes, Duration patience) {
  SignalAll(processes, SIGTERM);
  if (WaitUntilGone(processes, patience)) return StopResult::kEnded;
  SignalAll(processes, SIGKILL);
  WaitUntilGone(processes, std::chrono::seconds(10));
  return StopResult::kKilled;
}

std::vector<ProcessIdentity> TrainersBelow(const std::filesystem::path& folder) {
  std::vector<ProcessIdentity> found;
  for (const pid_t pid : ProcessIds()) {
    if (!IsTrainerBelow(pid, folder.string())) continue;
    if (const auto identity = Identify(pid)) found.push_back(*identity);
  }
  return found;
}

}  // namespace lathe::cli
