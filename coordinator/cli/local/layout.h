#pragma once
// Where `lathe up` keeps what, below one data folder. Paths only; nothing is made here.

#include <filesystem>
#include <string>

namespace lathe::cli {

class Layout {
 public:
  explicit Layout(std::filesystem::path data_dir) : data_dir_(std::move(data_dir)) {}

  const std::filesystem::path& data_dir() const { return data_dir_; }
  /// The coordinator's bound address, written by it once it serves.
  std::filesystem::path address_file() const { return data_dir_ / "address"; }
  /// What the last `up` was asked for, so that the next one needs no options.
  std::filesystem::path settings_file() const { return data_dir_ / "up.json"; }
  /// Held while `up` or `down` works on the folder.
  std::filesystem::path lock_file() const { return data_dir_ / "up.lock"; }
  std::filesystem::path models_dir() const { return data_dir_ / "models"; }
  std::filesystem::path redis_dir() const { return data_dir_ / "redis"; }
  std::filesystem::path redis_socket() const { return redis_dir() / "redis.sock"; }
  std::filesystem::path coordinator_dir() const { return data_dir_ / "coordinator"; }
  std::filesystem::path worker_dir(int number) const { return data_dir_ / WorkerName(number); }
  /// What secrets in stored configurations are encrypted with; made by the first `up`.
  std::filesystem::path secrets_key_file() const { return data_dir_ / "secrets.key"; }
  std::filesystem::path log_dir() const { return data_dir_ / "log"; }
  std::filesystem::path log_file(const std::string& daemon) const {
    return log_dir() / (daemon + ".log");
  }
  /// Process ids with their start times, and the daemons' configuration files.
  std::filesystem::path run_dir() const { return data_dir_ / "run"; }
  std::filesystem::path pid_file(const std::string& daemon) const {
    return run_dir() / (daemon + ".pid");
  }
  std::filesystem::path config_file(const std::string& daemon) const {
    return run_dir() / (daemon + ".yaml");
  }
  std::filesystem::path metrics_address_file(const std::string& daemon) const {
    return run_dir() / (daemon + ".metrics");
  }

  static std::string WorkerName(int number) { return "worker-" + std::to_string(number); }

 private:
  std::filesystem::path data_dir_;
};

inline constexpr char kRedis[] = "redis";
inline constexpr char kCoordinator[] = "coordinator";

}  // namespace lathe::cli
