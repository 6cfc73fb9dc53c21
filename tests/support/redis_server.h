#pragma once
// A real redis-server for a test: its own folder, a Unix socket, every write on disk before it is
// answered. Stopped when the owner goes.

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/base/child_process.h"
#include "common/base/result.h"
#include "common/base/temp_dir.h"

namespace lathe::testing {

class RedisServer {
 public:
  /// Further arguments of redis-server, e.g. {"--requirepass", "secret"}.
  static Result<std::unique_ptr<RedisServer>> Start(std::vector<std::string> arguments = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::filesystem::path socket() const { return folder_.path() / "redis.sock"; }
  std::string url() const { return "unix://" + socket().string(); }

  /// kill -9.
  void Kill();
  /// The same data again; returns once it answers.
  Status Restart();

 private:
  RedisServer(TempDir folder, std::vector<std::string> arguments)
      : folder_(std::move(folder)), arguments_(std::move(arguments)) {}
  Status Launch();

  TempDir folder_;
  std::vector<std::string> arguments_;
  std::unique_ptr<ChildProcess> process_;
};

}  // namespace lathe::testing
