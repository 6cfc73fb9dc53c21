#include "common/base/child_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include "common/base/unique_fd.h"

extern char** environ;

namespace lathe {
namespace {

ExitStatus FromWaitStatus(int raw) {
  if (WIFEXITED(raw)) return {.code = WEXITSTATUS(raw)};
  return {.signal = WTERMSIG(raw)};
}

std::vector<std::string> MergedEnvironment(const std::map<std::string, std::string>& extra) {
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    if (!extra.contains(std::string(text.substr(0, text.find('='))))) merged.emplace_back(text);
  }
  for (const auto& [name, value] : extra) merged.push_back(name + "=" + value);
  return merged;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& s : strings) pointers.push_back(s.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Runs in the child between fork and exec: async-signal-safe calls only. On failure the errno goes
// to the parent through report_fd.
[[noreturn]] void ExecChild(const ProcessSpec& spec, char** argv, char** envp, int null_fd,
                            int report_fd) {
  const int sources[3] = {spec.standard_input, spec.standard_output, spec.standard_error};
  bool ready = true;
  for (int target = 0; target < 3 && ready; ++target) {
    ready = ::dup2(sources[target] >= 0 ? sources[target] : null_fd, target) == target;
  }
  // Nothing else of the parent's leaks into the child, whoever forgot O_CLOEXEC. Before Linux 5.11
  // this fails and close-on-exec alone protects.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  if (ready && spec.new_session) ready = ::setsid() >= 0;
  if (ready && !spec.working_directory.empty()) {
    ready = ::chdir(spec.working_directory.c_str()) == 0;
  }
  if (ready) {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
    ::execvpe(spec.program.c_str(), argv, envp);
  }
  const int error_number = errno;
  [[maybe_unused]] const ssize_t n = ::write(report_fd, &error_number, sizeof error_number);
  ::_exit(127);
}

}  // namespace

std::string ToString(const ExitStatus& status) {
  if (status.code) return "exit code " + std::to_string(*status.code);
  const int number = status.signal.value_or(0);
  return "signal " + std::to_string(number) + " (" + sigdescr_np(number) + ")";
}

Result<ChildProcess> ChildProcess::Start(const ProcessSpec& spec) {
  std::vector<std::string> arguments = {spec.program.string()};
  arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
  std::vector<std::string> environment = MergedEnvironment(spec.environment);
  std::vector<char*> argv = Pointers(arguments);
  std::vector<char*> envp = Pointers(environment);

  const UniqueFd null_fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  int pipe_ends[2];
  if (!null_fd || ::pipe2(pipe_ends, O_CLOEXEC) != 0) {
    return Failure(ErrorCode::kInternal, "cannot start " + spec.program.string() + ": " +
                                             std::generic_category().message(errno));
  }
  const UniqueFd read_end(pipe_ends[0]);
  UniqueFd write_end(pipe_ends[1]);

  const pid_t pid = ::fork();
  if (pid == 0) ExecChild(spec, argv.data(), envp.data(), null_fd.get(), write_end.get());
  if (pid < 0) {
    return Failure(ErrorCode::kResourceExhausted, "cannot start " + spec.program.string() + ": " +
                                                      std::generic_category().message(errno));
  }
  write_end.Reset();
  int exec_error = 0;
  ssize_t count = 0;
  do {
    count = ::read(read_end.get(), &exec_error, sizeof exec_error);
  } while (count < 0 && errno == EINTR);
  if (count == sizeof exec_error) {
    ::waitpid(pid, nullptr, 0);
    const ErrorCode code = exec_error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kInternal;
    return Failure(code, "cannot start " + spec.program.string() + ": " +
                             std::generic_category().message(exec_error));
  }
  return ChildProcess(pid, spec.new_session);
}

std::optional<ExitStatus> ChildProcess::Poll() {
  if (status_) return status_;
  int raw = 0;
  const pid_t ended = ::waitpid(pid_, &raw, WNOHANG);
  if (ended == pid_) status_ = FromWaitStatus(raw);
  return status_;
}

ExitStatus ChildProcess::Wait() {
  while (!status_) {
    int raw = 0;
    const pid_t ended = ::waitpid(pid_, &raw, 0);
    if (ended == pid_) status_ = FromWaitStatus(raw);
    if (ended < 0 && errno != EINTR) status_ = ExitStatus{.code = 127};
  }
  return *status_;
}

std::optional<ExitStatus> ChildProcess::WaitFor(Duration limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (!Poll() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return status_;
}

void ChildProcess::Signal(int signal_number) const {
  if (status_) return;
  ::kill(leads_group_ ? -pid_ : pid_, signal_number);
}

}  // namespace lathe
