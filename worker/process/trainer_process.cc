#include "worker/process/trainer_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "common/base/file_io.h"

namespace lathe::worker::process {

std::map<std::string, std::string> TrainerEnvironment(unsigned cpu_threads,
                                                      const std::vector<unsigned>& gpus) {
  std::string visible;
  for (const unsigned gpu : gpus) {
    visible += (visible.empty() ? "" : ",") + std::to_string(gpu);
  }
  return {{"OMP_NUM_THREADS", std::to_string(cpu_threads == 0 ? 1 : cpu_threads)},
          {"OMP_WAIT_POLICY", "passive"},
          // NVML and CUDA number alike only by bus.
          {"CUDA_DEVICE_ORDER", "PCI_BUS_ID"},
          {"CUDA_VISIBLE_DEVICES", visible}};
}

Result<TrainerProcess> TrainerProcess::Launch(const LaunchSpec& spec) {
  const UniqueFd log(::open(spec.log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
  if (!log) return Failure(FileError("open", spec.log, errno));
  LATHE_ASSIGN_OR_RETURN(ChildProcess child,
                         ChildProcess::Start({.program = spec.program,
                                              .arguments = spec.arguments,
                                              .environment = spec.environment,
                                              .working_directory = spec.working_directory,
                                              .standard_output = log.get(),
                                              .standard_error = log.get(),
                                              .new_session = true}));
  // Its pid stays taken until Poll has fetched its status, so this names no other process.
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, child.pid(), 0)));
  auto identity = Identify(child.pid());
  if (!pidfd || !identity) {
    child.Signal(SIGKILL);
    child.Wait();
    return Failure(ErrorCode::kInternal,
                   "cannot watch the started trainer: " + std::generic_category().message(errno));
  }
  return TrainerProcess(*identity, std::move(pidfd), child);
}

std::optional<TrainerProcess> TrainerProcess::Adopt(const ProcessIdentity& identity) {
  auto pidfd = OpenIfAlive(identity);
  if (!pidfd) return std::nullopt;
  return TrainerProcess(identity, std::move(*pidfd), std::nullopt);
}

void TrainerProcess::Terminate() {
  if (!ended_) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGTERM, nullptr, 0);
}

void TrainerProcess::KillGroup() {
  if (ended_) return;
  // A dead leader of an adopted group may have lost its pid to a stranger: then only the leader
  // itself is signalled, through the descriptor that cannot be confused.
  if (child_ || OpenIfAlive(identity_)) ::kill(-identity_.pid, SIGKILL);
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
}

bool TrainerProcess::WaitFor(Duration limit, int wake_fd) {
  if (ended_) return true;
  pollfd fds[2] = {{pidfd_.get(), POLLIN, 0}, {wake_fd, POLLIN, 0}};
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
  ::poll(fds, 2, static_cast<int>(milliseconds));
  if ((fds[0].revents & POLLIN) == 0) return false;
  if (child_) {
    // Before its status is fetched the pid is still its own, and with it the group's number.
    ::kill(-identity_.pid, SIGKILL);
    status_ = child_->Wait();
  }
  ended_ = true;
  return true;
}

}  // namespace lathe::worker::process
