#include "coordinator/cli/local/process_identity.h"

#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <system_error>
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
  for (const ProcessIdentity& process : Living(processes)) ::kill(process.pid, signal_number);
}

}  // namespace

std::optional<ProcessIdentity> IdentityOf(pid_t pid) {
  const std::string text = ReadProc(pid, "stat");
  // The second field is the name in parentheses and may itself hold spaces and parentheses.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string state;
  fields >> state;
  if (state == "Z" || state == "X") return std::nullopt;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  ProcessIdentity identity{.pid = pid};
  if (!(fields >> identity.start_time)) return std::nullopt;
  return identity;
}

bool IsAlive(const ProcessIdentity& identity) {
  return IdentityOf(identity.pid) == identity;
}

Status WriteIdentity(const std::filesystem::path& file, const ProcessIdentity& identity) {
  return WriteFileAtomically(
      file, std::to_string(identity.pid) + " " + std::to_string(identity.start_time) + "\n");
}

std::optional<ProcessIdentity> ReadLiving(const std::filesystem::path& file) {
  const Result<std::string> text = ReadFile(file, 256);
  if (!text) return std::nullopt;
  std::istringstream fields(*text);
  ProcessIdentity identity;
  if (!(fields >> identity.pid >> identity.start_time) || !IsAlive(identity)) return std::nullopt;
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
  std::error_code unreadable;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", unreadable)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (parsed.ec != std::errc() || parsed.ptr != name.data() + name.size()) continue;
    if (!IsTrainerBelow(pid, folder.string())) continue;
    if (const auto identity = IdentityOf(pid)) found.push_back(*identity);
  }
  return found;
}

}  // namespace lathe::cli
