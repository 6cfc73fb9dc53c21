#pragma once
// One running lathe-trainer: launched in its own session, or adopted from an earlier daemon. The
// destructor neither kills nor waits: a trainer outlives the daemon. Not thread-safe: the attempt's
// runner owns it.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/child_process.h"
#include "common/base/clock.h"
#include "common/base/process_identity.h"
#include "common/base/result.h"
#include "common/base/unique_fd.h"

namespace lathe::worker::process {

/// Names the attempt in the trainer's environment, see FindAllByEnvironment.
inline constexpr char kAttemptVariable[] = "LATHE_ATTEMPT_FOLDER";

struct LaunchSpec {
  std::filesystem::path program;
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;
  std::filesystem::path working_directory;
  std::filesystem::path log;  ///< standard output and error are appended here
};

/// The environment of a trainer: its CPU threads, and the one GPU it sees (the rest are hidden).
std::map<std::string, std::string> TrainerEnvironment(unsigned cpu_threads,
                                                      const std::vector<unsigned>& gpus);

class TrainerProcess {
 public:
  static Result<TrainerProcess> Launch(const LaunchSpec& spec);
  /// nullopt when that process is gone.
  static std::optional<TrainerProcess> Adopt(const ProcessIdentity& identity);

  const ProcessIdentity& identity() const { return identity_; }
  /// Readable when it has ended.
  int pidfd() const { return pidfd_.get(); }

  /// SIGTERM to the trainer alone: it writes its checkpoint in peace.
  void Terminate();
  /// SIGKILL to its whole process group.
  void KillGroup();

  /// Waits until it has ended, `wake_fd` is readable, or the limit is over. True: it has ended, and
  /// what was left of its group (of a child) has been killed.
  bool WaitFor(Duration limit, int wake_fd = -1);

  /// How it ended; nullopt while it runs, and for an adopted one, whose status went to another
  /// process.
  std::optional<ExitStatus> exit_status() const { return status_; }

 private:
  TrainerProcess(ProcessIdentity identity, UniqueFd pidfd, std::optional<ChildProcess> child)
      : identity_(std::move(identity)), pidfd_(std::move(pidfd)), child_(std::move(child)) {}

  ProcessIdentity identity_;
  UniqueFd pidfd_;
  std::optional<ChildProcess> child_;  ///< unset when adopted
  bool ended_ = false;
  std::optional<ExitStatus> status_;
};

}  // namespace lathe::worker::process
