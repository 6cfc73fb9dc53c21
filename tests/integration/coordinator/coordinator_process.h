#pragma once
// A real lathe-coordinator for a test, on a free port, with a data folder of its own.

#include <grpcpp/channel.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/child_process.h"
#include "common/base/temp_dir.h"
#include "common/rpc/credentials.h"

namespace lathe::testing {

class CoordinatorProcess {
 public:
  /// Starts the program with these further arguments; it may end by itself.
  CoordinatorProcess(const std::string& redis_url, std::vector<std::string> arguments = {});
  ~CoordinatorProcess();

  /// Waits until it serves; false when it ended before.
  bool WaitUntilServing();
  std::string address() const;
  std::shared_ptr<grpc::Channel> Connect(const rpc::TlsFiles& tls = {}) const;

  void Kill();       // kill -9
  void Terminate();  // TERM
  /// The exit code; nullopt when it has not ended after 10 s or died of a signal.
  std::optional<int> ExitCode();
  /// The same data folder again.
  void Restart();
  /// What it wrote to standard error.
  std::string Log() const;
  /// What it serves at /metrics.
  std::string Metrics() const;
  const std::filesystem::path& folder() const { return folder_.path(); }

 private:
  void Launch();

  TempDir folder_ = TempDir::Create("coordinator").value();
  std::vector<std::string> arguments_;
  std::optional<ChildProcess> process_;
};

}  // namespace lathe::testing
