#include "coordinator/cli/local/daemon.h"

#include <fcntl.h>

#include <cerrno>
#include <deque>
#include <fstream>
#include <system_error>
#include <thread>

#include "common/base/file_io.h"
#include "common/base/unique_fd.h"

namespace lathe::cli {
namespace {

constexpr std::chrono::milliseconds kPollInterval{20};
constexpr int kShownLogLines = 12;

}  // namespace

std::string LastLines(const std::filesystem::path& file, std::uintmax_t from, int count) {
  std::ifstream stream(file);
  stream.seekg(static_cast<std::streamoff>(from));
  std::deque<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(std::move(line));
    if (lines.size() > static_cast<std::size_t>(count)) lines.pop_front();
  }
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

Result<Daemon> Daemon::Start(DaemonSpec spec) {
  const UniqueFd log(
      ::open(spec.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!log) return Failure(FileError("open", spec.log_file, errno));
  std::error_code unknown;
  const std::uintmax_t log_start = std::filesystem::file_size(spec.log_file, unknown);
  LATHE_ASSIGN_OR_RETURN(ChildProcess process, ChildProcess::Start({.program = spec.program,
                                                                    .arguments = spec.arguments,
                                                                    .working_directory = "/",
                                                                    .standard_output = log.get(),
                                                                    .standard_error = log.get(),
                                                                    .new_session = true}));
  // A process that has already ended has no start time; WaitUntil then tells why.
  const ProcessIdentity identity =
      Identify(process.pid()).value_or(ProcessIdentity{.pid = process.pid()});
  Daemon daemon(std::move(spec), std::move(process), identity, log_start);
  if (Status written = WriteIdentity(daemon.spec_.pid_file, identity); !written) {
    daemon.Stop(std::chrono::seconds(5));
    return Failure(written.error());
  }
  return daemon;
}

std::string Daemon::WithLog(std::string message) const {
  const std::string lines = LastLines(spec_.log_file, log_start_, kShownLogLines);
  message += " — " + (lines.empty() ? "its log " + spec_.log_file.string() + " says nothing"
                                    : "the last lines of " + spec_.log_file.string() + ":" + lines);
  return message;
}

Status Daemon::WaitUntil(const std::function<bool()>& ready, Duration limit,
                         const std::function<bool()>& stop_waiting) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!ready()) {
    if (const auto status = process_.Poll()) {
      return Failure(ErrorCode::kUnavailable,
                     WithLog(spec_.name + " did not start (" + ToString(*status) + ")"));
    }
    if (stop_waiting()) {
      return Failure(ErrorCode::kCancelled, "interrupted while " + spec_.name + " started");
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return Failure(ErrorCode::kDeadlineExceeded, WithLog(spec_.name + " was not ready in time"));
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return {};
}

void Daemon::Stop(Duration patience) {
  StopProcesses({identity_}, patience);
  process_.Poll();
  std::error_code missing;
  std::filesystem::remove(spec_.pid_file, missing);
}

}  // namespace lathe::cli
