#pragma once
// Starts programs without a shell and waits for them.

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace lathe {

/// How a process ended: exactly one of the two is set.
struct ExitStatus {
  std::optional<int> code;
  std::optional<int> signal;
  bool Succeeded() const { return code == 0; }
  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};
/// "exit code 1" or "signal 9 (Killed)".
std::string ToString(const ExitStatus& status);

struct ProcessSpec {
  std::filesystem::path program;                   ///< looked up in PATH when it has no slash
  std::vector<std::string> arguments;              ///< without the program's own name
  std::map<std::string, std::string> environment;  ///< added to, or replacing, the inherited one
  std::filesystem::path working_directory;         ///< empty: inherited
  /// File descriptors for 0, 1, 2; -1 means /dev/null. They stay owned by the caller.
  int standard_input = -1;
  int standard_output = -1;
  int standard_error = -1;
  bool new_session = false;  ///< setsid: own session and process group, survives its parent
};

/// A started child. The destructor neither kills nor waits: a child outlives its owner unless it is
/// told otherwise (a trainer must survive a restart of the daemon).
class ChildProcess {
 public:
  static Result<ChildProcess> Start(const ProcessSpec& spec);

  pid_t pid() const { return pid_; }
  /// The status once it has ended, without waiting; nullopt while it runs.
  std::optional<ExitStatus> Poll();
  /// Blocks until it ends.
  ExitStatus Wait();
  /// Blocks at most that long; nullopt when it still runs.
  std::optional<ExitStatus> WaitFor(Duration limit);
  /// Sends a signal to the process, or to its whole group when it leads one.
  void Signal(int signal_number) const;

 private:
  ChildProcess(pid_t pid, bool leads_group) : pid_(pid), leads_group_(leads_group) {}
  pid_t pid_;
  bool leads_group_;
  std::optional<ExitStatus> status_;
};

}  // namespace lathe
