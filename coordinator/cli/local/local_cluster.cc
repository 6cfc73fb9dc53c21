#include "coordinator/cli/local/local_cluster.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "common/base/file_io.h"
#include "common/secrets/keyring.h"
#include "coordinator/cli/local/probes.h"

namespace lathe::cli {
namespace {

constexpr char kCoordinatorProgram[] = "lathe-coordinator";
constexpr char kWorkerProgram[] = "lathe-worker";
constexpr char kTrainerProgram[] = "lathe-trainer";
constexpr std::chrono::seconds kStartLimit{30};
constexpr std::chrono::milliseconds kPollInterval{50};
constexpr std::chrono::seconds kDaemonPatience{15};
// A trainer finishes its step and writes a checkpoint first.
constexpr std::chrono::seconds kTrainerPatience{120};

Result<std::string> ReadAddress(const std::filesystem::path& file) {
  LATHE_ASSIGN_OR_RETURN(std::string text, ReadFile(file, 4096));
  return text.substr(0, text.find_first_of("\r\n"));
}

/// Folders hold data sets and models: for their owner only.
Status MakeFolder(const std::filesystem::path& folder) {
  std::error_code error;
  const bool is_new = std::filesystem::create_directories(folder, error);
  if (error) return Failure(FileError("make the folder", folder, error.value()));
  if (is_new) {
    std::filesystem::permissions(folder, std::filesystem::perms::owner_all, error);
  }
  return {};
}

Result<std::filesystem::path> FindRedis() {
  if (const auto program = ProgramInPath("redis-server")) return *program;
  return Failure(Error{ErrorCode::kNotFound,
                       "there is no redis-server in PATH",
                       {},
                       "install it: apt-get install redis-server, or run deploy/setup"});
}

std::vector<std::string> RedisArguments(const Layout& layout) {
  // Durable before it is acknowledged: each commit is on disk before a client hears of it.
  return {"--port",
          "0",
          "--unixsocket",
          layout.redis_socket().string(),
          "--unixsocketperm",
          "700",
          "--dir",
          layout.redis_dir().string(),
          "--appendonly",
          "yes",
          "--appendfsync",
          "always",
          "--save",
          "",
          "--maxmemory-policy",
          "noeviction",
          "--daemonize",
          "no"};
}

}  // namespace

Result<LocalCluster> LocalCluster::Open(Layout layout, ClusterHooks hooks) {
  LATHE_RETURN_IF_ERROR(MakeFolder(layout.data_dir()));
  UniqueFd lock(::open(layout.lock_file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) return Failure(FileError("open", layout.lock_file(), errno));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return Failure(
        Error{ErrorCode::kAborted,
              "another `lathe up` or `lathe down` is at work in " + layout.data_dir().string(),
              {},
              "wait for it, then try again"});
  }
  return LocalCluster(std::move(layout), std::move(hooks), std::move(lock));
}

Status LocalCluster::MakeFolders(const UpSettings& settings) const {
  if (layout_.redis_socket().string().size() > MaxSocketPath()) {
    return Failure(Error{ErrorCode::kInvalidArgument,
                         "the data folder's path is too long: a socket below it may have " +
                             std::to_string(MaxSocketPath()) + " bytes, " +
                             layout_.redis_socket().string() + " has more",
                         {},
                         "choose a shorter one with --data-dir"});
  }
  for (const auto& folder : {layout_.redis_dir(), layout_.log_dir(), layout_.run_dir(),
                             layout_.coordinator_dir(), settings.models_dir}) {
    LATHE_RETURN_IF_ERROR(MakeFolder(folder));
  }
  return secrets::CreateKeyFileIfAbsent(layout_.secrets_key_file());
}

bool LocalCluster::KeepRunning(const std::string& name) {
  const auto living = ReadLiving(layout_.pid_file(name));
  if (living) kept_.push_back({.name = name, .pid = living->pid});
  return living.has_value();
}

Result<Daemon*> LocalCluster::Launch(const std::string& name, const std::filesystem::path& program,
                                     std::vector<std::string> arguments) {
  hooks_.note("starting " + name + " ...");
  LATHE_ASSIGN_OR_RETURN(Daemon daemon, Daemon::Start({.name = name,
                                                       .program = program,
                                                       .arguments = std::move(arguments),
                                                       .log_file = layout_.log_file(name),
                                                       .pid_file = layout_.pid_file(name)}));
  started_.push_back(std::move(daemon));
  return &started_.back();
}

Status LocalCluster::EnsureRedis() {
  const auto answers = [this] { return RedisAnswers(layout_.redis_socket()); };
  if (KeepRunning(kRedis)) return WaitForKept(kRedis, answers);
  LATHE_ASSIGN_OR_RETURN(const std::filesystem::path program, FindRedis());
  LATHE_ASSIGN_OR_RETURN(Daemon * redis, Launch(kRedis, program, RedisArguments(layout_)));
  return redis->WaitUntil(answers, kStartLimit, hooks_.interrupted);
}

Result<std::string> LocalCluster::CoordinatorAddress() const {
  return ReadAddress(layout_.address_file());
}

std::string LocalCluster::ListenAddress(const UpSettings& settings) const {
  // Workers and watchers that are still there come back to where it was.
  const Result<std::string> last = CoordinatorAddress();
  if (settings.port == 0 && last && !last->empty()) return *last;
  return "127.0.0.1:" + std::to_string(settings.port);
}

Status LocalCluster::EnsureCoordinator(const UpSettings& settings) {
  const auto serves = [this] { return CoordinatorAddress().has_value(); };
  if (KeepRunning(kCoordinator)) return WaitForKept(kCoordinator, serves);
  LATHE_ASSIGN_OR_RETURN(const auto program, ProgramBeside(hooks_.program, kCoordinatorProgram));
  for (const int port : {settings.port, MetricsPort(settings, kCoordinatorMetricsOffset)}) {
    LATHE_RETURN_IF_ERROR(CheckPortIsFree(port));
  }
  const std::filesystem::path config = layout_.config_file(kCoordinator);
  LATHE_RETURN_IF_ERROR(
      WriteFileAtomically(config, CoordinatorConfig(layout_, settings, ListenAddress(settings))));
  std::error_code missing;
  std::filesystem::remove(layout_.address_file(), missing);
  LATHE_ASSIGN_OR_RETURN(Daemon * daemon,
                         Launch(kCoordinator, program, {"--config", config.string()}));
  return daemon->WaitUntil(serves, kStartLimit, hooks_.interrupted);
}

Status LocalCluster::EnsureWorker(const UpSettings& settings, int number) {
  const std::string name = Layout::WorkerName(number);
  if (KeepRunning(name)) return {};
  LATHE_ASSIGN_OR_RETURN(const auto program, ProgramBeside(hooks_.program, kWorkerProgram));
  LATHE_RETURN_IF_ERROR(CheckPortIsFree(MetricsPort(settings, kCoordinatorMetricsOffset + number)));
  LATHE_RETURN_IF_ERROR(MakeFolder(layout_.worker_dir(number)));
  LATHE_ASSIGN_OR_RETURN(const std::string address, CoordinatorAddress());
  const std::filesystem::path config = layout_.config_file(name);
  LATHE_RETURN_IF_ERROR(
      WriteFileAtomically(config, WorkerConfig(layout_, settings, number, address)));
  LATHE_RETURN_IF_ERROR(Launch(name, program, {"--config", config.string()}));
  return {};
}

Status LocalCluster::WaitForWorkers(const UpSettings& settings) {
  LATHE_ASSIGN_OR_RETURN(const std::string address, CoordinatorAddress());
  for (int number = 1; number <= settings.workers; ++number) {
    const std::vector<std::string> node = {WorkerNodeId(number)};
    const auto ready = [&] { return hooks_.ready(address, node); };
    const auto started = std::find_if(started_.begin(), started_.end(), [&](const Daemon& daemon) {
      return daemon.spec().name == Layout::WorkerName(number);
    });
    if (started != started_.end()) {
      LATHE_RETURN_IF_ERROR(started->WaitUntil(ready, kStartLimit, hooks_.interrupted));
    } else {
      LATHE_RETURN_IF_ERROR(WaitForKept(Layout::WorkerName(number), ready));
    }
  }
  return {};
}

Status LocalCluster::WaitForKept(const std::string& name,
                                 const std::function<bool()>& ready) const {
  const auto deadline = std::chrono::steady_clock::now() + kStartLimit;
  while (!ready()) {
    if (hooks_.interrupted()) {
      return Failure(ErrorCode::kCancelled, "interrupted while waiting for " + name);
    }
    if (std::chrono::steady_clock::now() >= deadline) {
      return Failure(Error{ErrorCode::kDeadlineExceeded,
                           name + " runs but does not get ready",
                           {},
                           "see " + layout_.log_file(name).string() +
                               "; `lathe down` and `lathe up` start it anew"});
    }
    std::this_thread::sleep_for(kPollInterval);
  }
  return {};
}

Status LocalCluster::StartAll(const UpSettings& settings) {
  // What is not installed should be known before anything runs.
  LATHE_RETURN_IF_ERROR(FindRedis());
  for (const char* name : {kCoordinatorProgram, kWorkerProgram, kTrainerProgram}) {
    LATHE_RETURN_IF_ERROR(ProgramBeside(hooks_.program, name));
  }
  LATHE_RETURN_IF_ERROR(MakeFolders(settings));
  LATHE_RETURN_IF_ERROR(EnsureRedis());
  LATHE_RETURN_IF_ERROR(EnsureCoordinator(settings));
  for (int number = 1; number <= settings.workers; ++number) {
    LATHE_RETURN_IF_ERROR(EnsureWorker(settings, number));
  }
  LATHE_RETURN_IF_ERROR(WaitForWorkers(settings));
  return SaveSettings(layout_, settings);
}

bool LocalCluster::IsRunning(const std::string& name) const {
  return ReadLiving(layout_.pid_file(name)).has_value();
}

Result<ClusterReport> LocalCluster::BringUp(const UpSettings& settings) {
  // Launch hands out pointers to elements.
  started_.reserve(static_cast<std::size_t>(settings.workers) + 2);
  if (Status status = StartAll(settings); !status) {
    for (auto daemon = started_.rbegin(); daemon != started_.rend(); ++daemon) {
      daemon->Stop(kDaemonPatience);
    }
    return Failure(status.error());
  }
  return Report(settings);
}

ClusterReport LocalCluster::Report(const UpSettings& settings) const {
  ClusterReport report{.address = CoordinatorAddress().value_or(""), .settings = settings};
  if (settings.port != 0) {
    report.metrics.push_back(
        "http://127.0.0.1:" + std::to_string(MetricsPort(settings, kCoordinatorMetricsOffset)) +
        "/metrics");
  }
  for (int number = 1; number <= settings.workers; ++number) {
    const auto file = layout_.metrics_address_file(Layout::WorkerName(number));
    if (const auto address = ReadAddress(file)) {
      report.metrics.push_back("http://" + *address + "/metrics");
    }
  }
  report.processes = kept_;
  for (const Daemon& daemon : started_) {
    report.processes.push_back(
        {.name = daemon.spec().name, .pid = daemon.identity().pid, .started = true});
  }
  return report;
}

void LocalCluster::StopDaemons(const std::vector<std::string>& names,
                               std::vector<std::string>& stopped) {
  std::vector<ProcessIdentity> living;
  for (const std::string& name : names) {
    const auto identity = ReadLiving(layout_.pid_file(name));
    if (!identity) continue;
    hooks_.note("stopping " + name + " ...");
    living.push_back(*identity);
    stopped.push_back(name);
  }
  StopProcesses(living, kDaemonPatience);
  for (const std::string& name : names) {
    std::error_code missing;
    std::filesystem::remove(layout_.pid_file(name), missing);
  }
}

std::vector<std::string> LocalCluster::KnownWorkers() const {
  std::vector<std::string> workers;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(layout_.run_dir(), missing)) {
    const std::string name = entry.path().stem();
    if (entry.path().extension() == ".pid" && name.starts_with("worker-")) workers.push_back(name);
  }
  std::sort(workers.begin(), workers.end());
  return workers;
}

Result<std::vector<std::string>> LocalCluster::TakeDown() {
  std::vector<std::string> stopped;
  // Workers first: they would start what their trainers leave behind at once again.
  StopDaemons(KnownWorkers(), stopped);
  if (const auto trainers = TrainersBelow(layout_.data_dir()); !trainers.empty()) {
    const std::string count = std::to_string(trainers.size()) + " trainer(s)";
    hooks_.note("waiting for " + count + " to write a checkpoint ...");
    StopProcesses(trainers, kTrainerPatience);
    stopped.push_back(count);
  }
  StopDaemons({kCoordinator}, stopped);
  StopDaemons({kRedis}, stopped);
  std::error_code missing;
  std::filesystem::remove(layout_.address_file(), missing);
  return stopped;
}

}  // namespace lathe::cli
