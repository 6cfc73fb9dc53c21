#include "worker/app.h"

#include <signal.h>

#include <functional>
#include <iostream>
#include <thread>

#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/version.h"
#include "common/rpc/channel.h"
#include "common/telemetry/telemetry.h"
#include "worker/data_folder.h"
#include "worker/node/config.h"
#include "worker/node/node.h"

namespace lathe::worker {
namespace {

int ExitCodeOf(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return kExitInvalidConfiguration;
    case ErrorCode::kAborted:
    case ErrorCode::kFailedPrecondition:
    case ErrorCode::kUnavailable:  // an address that something else listens on
      return kExitConflict;
    default:
      return kExitFailed;
  }
}

int Fail(const Error& error) {
  std::cerr << "lathe-worker: " << ToString(error) << '\n';
  return ExitCodeOf(error);
}

// Turns SIGTERM and SIGINT into a call, outside of signal handlers. Made before any other thread,
// so that all inherit the blocked signals.
class SignalWatch {
 public:
  SignalWatch() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
  }
  /// Until Ignore, which must come before what is called goes.
  void CallOnSignal(std::function<void()> call) {
    thread_ = std::jthread([this, call = std::move(call)](const std::stop_token& stop) {
      constexpr timespec kLook{.tv_sec = 0, .tv_nsec = 100'000'000};
      while (!stop.stop_requested()) {
        const int signal_number = ::sigtimedwait(&signals_, nullptr, &kLook);
        if (signal_number <= 0) continue;
        log::Info("stopping", {{"signal", signal_number}});
        return call();
      }
    });
  }

  void Ignore() { thread_ = std::jthread(); }

 private:
  sigset_t signals_{};
  std::jthread thread_;
};

Status Serve(const Config& config, SignalWatch& signals) {
  LATHE_ASSIGN_OR_RETURN(const DataFolder folder, DataFolder::Open(config.data_dir));
  LATHE_ASSIGN_OR_RETURN(const std::string node_id, folder.NodeId(config.node_id));
  LATHE_ASSIGN_OR_RETURN(const auto inventory, Inventory::Take(config));
  const session::Connect connect = [&config] {
    return rpc::CreateChannel(config.coordinator, config.tls);
  };
  auto artifact_channel = connect();
  if (!artifact_channel) {
    Error error = artifact_channel.error().WithContext("coordinator, tls");
    error.code = ErrorCode::kInvalidArgument;
    return Failure(std::move(error));
  }
  telemetry::Telemetry telemetry;
  telemetry.Set(telemetry::metrics::kBuildInfo, 1,
                {{"program", "lathe-worker"}, {"version", Version()}});
  LATHE_ASSIGN_OR_RETURN(const auto exposition,
                         telemetry::Exposition::Start(telemetry, config.metrics_listen));
  if (!config.metrics_address_file.empty()) {
    LATHE_RETURN_IF_ERROR(
        WriteFileAtomically(config.metrics_address_file, exposition->address() + "\n"));
  }
  const SystemClock clock;
  Node node({config, clock, telemetry, *inventory, *artifact_channel, connect}, node_id);
  log::Info("worker_started", {{"node", node_id},
                               {"coordinator", config.coordinator},
                               {"gpus", inventory->resources().gpus_size()},
                               {"cpu_slots", config.cpu_slots},
                               {"metrics", exposition->address()}});
  signals.CallOnSignal([&node] { node.Stop(); });
  const Status status = node.Run();
  signals.Ignore();
  return status;
}

}  // namespace

int RunApp(const std::vector<std::string>& arguments) {
  using Action = daemon_config::Outcome::Action;
  SignalWatch signals;
  const auto outcome =
      daemon_config::Load(Describe(), arguments, daemon_config::ProcessEnvironment());
  if (!outcome) return Fail(outcome.error());
  if (outcome->action == Action::kPrint) {
    std::cout << outcome->text;
    return 0;
  }
  const auto config = MakeConfig(outcome->values);
  if (!config) return Fail(config.error());
  log::SetLevel(config->log_level);
  if (outcome->action == Action::kCheckOnly) {
    std::cout << "the configuration is right\n";
    return 0;
  }
  const Status served = Serve(*config, signals);
  return served ? 0 : Fail(served.error());
}

}  // namespace lathe::worker
