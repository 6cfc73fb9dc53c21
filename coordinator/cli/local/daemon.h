#pragma once
// Background programs of this machine's cluster: started in a session of their own with a log file
// and a pid file, found again by them later. Not thread-safe.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/child_process.h"
#include "common/base/clock.h"
#include "common/base/result.h"
#include "coordinator/cli/local/processes.h"

namespace lathe::cli {

struct DaemonSpec {
  std::string name;  ///< for people: "coordinator"
  std::filesystem::path program;
  std::vector<std::string> arguments;
  std::filesystem::path log_file;  ///< appended to
  std::filesystem::path pid_file;
};

class Daemon {
 public:
  /// Starts it and writes the pid file.
  static Result<Daemon> Start(DaemonSpec spec);

  const DaemonSpec& spec() const { return spec_; }
  const ProcessIdentity& identity() const { return identity_; }

  /// Polls until `ready` says so. kUnavailable when it ends before, kDeadlineExceeded after
  /// `limit`, kCancelled when `stop_waiting`; each with the last lines of the log.
  Status WaitUntil(const std::function<bool()>& ready, Duration limit,
                   const std::function<bool()>& stop_waiting);
  /// Ends it and removes the pid file.
  void Stop(Duration patience);

 private:
  Daemon(DaemonSpec spec, ChildProcess process, ProcessIdentity identity, std::uintmax_t log_start)
      : spec_(std::move(spec)),
        process_(std::move(process)),
        identity_(identity),
        log_start_(log_start) {}
  std::string WithLog(std::string message) const;

  DaemonSpec spec_;
  ChildProcess process_;
  ProcessIdentity identity_;
  std::uintmax_t log_start_;  // what an earlier run wrote is not of interest
};

/// The last lines of a file from an offset on, each indented; empty when there are none.
std::string LastLines(const std::filesystem::path& file, std::uintmax_t from, int count);

}  // namespace lathe::cli
