#pragma once
// Everything on this machine: its own Redis, the coordinator and workers as background daemons
// below one data folder. Bring up starts what is missing and waits until it serves; take down ends
// all of it, trainers too, after they have written a checkpoint. Both may be repeated at any time;
// a lock file keeps two of them apart.

#include <functional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/unique_fd.h"
#include "coordinator/cli/local/daemon.h"
#include "coordinator/cli/local/layout.h"
#include "coordinator/cli/local/settings.h"

namespace lathe::cli {

/// What the cluster needs of its surroundings.
struct ClusterHooks {
  std::filesystem::path program;  ///< `lathe` itself; the daemons lie beside it
  std::function<bool()> interrupted;
  std::function<void(const std::string&)> note;  ///< progress, for people
  /// Whether these nodes are registered and ready with the coordinator at the address.
  std::function<bool(const std::string& address, const std::vector<std::string>& nodes)> ready;
};

struct ClusterProcess {
  std::string name;
  pid_t pid = 0;
  bool started = false;  ///< by this call
};

struct ClusterReport {
  std::string address;
  std::vector<std::string> metrics;  ///< URLs, the coordinator's first; known ones only
  std::vector<ClusterProcess> processes;
  UpSettings settings;
};

class LocalCluster {
 public:
  /// Takes the folder's lock. kAborted when another `up` or `down` holds it.
  /// The layout's folder is absolute.
  static Result<LocalCluster> Open(Layout layout, ClusterHooks hooks);

  /// Whether the daemon of that name (layout.h) runs now.
  bool IsRunning(const std::string& name) const;
  /// On an error everything that this call started is ended again.
  Result<ClusterReport> BringUp(const UpSettings& settings);
  /// Names of what was ended, in order.
  Result<std::vector<std::string>> TakeDown();

 private:
  LocalCluster(Layout layout, ClusterHooks hooks, UniqueFd lock)
      : layout_(std::move(layout)), hooks_(std::move(hooks)), lock_(std::move(lock)) {}

  Status MakeFolders(const UpSettings& settings) const;
  std::string ListenAddress(const UpSettings& settings) const;
  Status EnsureRedis();
  Status EnsureCoordinator(const UpSettings& settings);
  Status EnsureWorker(const UpSettings& settings, int number);
  Status WaitForWorkers(const UpSettings& settings);
  /// For a daemon that an earlier call started.
  Status WaitForKept(const std::string& name, const std::function<bool()>& ready) const;
  Status StartAll(const UpSettings& settings);
  Result<Daemon*> Launch(const std::string& name, const std::filesystem::path& program,
                         std::vector<std::string> arguments);
  bool KeepRunning(const std::string& name);
  std::vector<std::string> KnownWorkers() const;
  /// Those that run, all at once; their names are added to `stopped`.
  void StopDaemons(const std::vector<std::string>& names, std::vector<std::string>& stopped);
  Result<std::string> CoordinatorAddress() const;
  ClusterReport Report(const UpSettings& settings) const;

  Layout layout_;
  ClusterHooks hooks_;
  UniqueFd lock_;
  std::vector<Daemon> started_;  // by BringUp, in order
  std::vector<ClusterProcess> kept_;
};

}  // namespace lathe::cli
