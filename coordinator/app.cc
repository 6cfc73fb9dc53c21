#include "coordinator/app.h"

#include <atomic>
#include <cstdio>
#include <memory>
#include <utility>

#include "common/base/file_io.h"
#include "common/base/log.h"
#include "common/base/version.h"
#include "common/telemetry/telemetry.h"
#include "coordinator/api/server.h"
#include "coordinator/data_folder.h"
#include "coordinator/engine_jobs/engine_jobs.h"
#include "coordinator/leadership.h"
#include "coordinator/resources/configuration_library.h"
#include "coordinator/resources/schema_publication.h"
#include "coordinator/runtime/loop.h"
#include "coordinator/runtime/measured_store.h"
#include "coordinator/sessions/event_appender.h"
#include "coordinator/sessions/session_hub.h"

namespace lathe::coordinator {
namespace {

constexpr std::size_t kMaxWatches = 512;
// Streams are told to end, which takes them a quarter of a second; what remains is mostly idle
// connections of clients that do not look.
constexpr Duration kGracefulStop = std::chrono::seconds(1);
constexpr int kExitFailed = 1;
constexpr int kExitUnavailable = 5;
constexpr int kExitInvalidConfiguration = 6;
constexpr int kExitConflict = 7;

int Report(const Error& error, int exit_code) {
  std::string text = "lathe-coordinator: " + ToString(error) + "\n";
  if (!error.hint.empty()) text += "hint: " + error.hint + "\n";
  std::fputs(text.c_str(), stderr);
  return exit_code;
}

/// A coordinator that leads. Members are made and used in this order and end in the reverse one.
class Leader {
 public:
  Leader(const Config& config, const DataFolder& data, storage::Store& store,
         telemetry::Telemetry& telemetry)
      : config_(config),
        data_(data),
        telemetry_(telemetry),
        store_(store, clock_, telemetry),
        view_(kMaxWatches),
        hub_(clock_, config.lease),
        configurations_(store_),
        samples_(data_.blobs),
        library_(store_, clock_, Keyring()) {}

  /// Loads the records and serves. Exit code 0 once told to stop.
  int Run(StopSignal& stop) {
    auto records = store_.Load();
    if (!records) return Report(records.error().WithContext("load the records"), kExitUnavailable);
    if (const Status published = resources::PublishSchema(store_); !published) {
      return Report(published.error().WithContext("publish the configuration schema"), kExitFailed);
    }
    view_.Load(*records);
    core::Settings settings;
    settings.lease = config_.lease;
    settings.max_attempts = config_.max_attempts;
    const core::Now now{clock_.Now(), clock_.MonotonicNow()};
    log::Info("records_loaded", {{"jobs", records->jobs.size()}, {"nodes", records->nodes.size()}});
    loop_ = std::make_unique<runtime::Loop>(
        runtime::LoopOptions{}, core::Recover(settings, std::move(*records), now),
        runtime::LoopContext{store_, clock_, view_, gateways_, telemetry_});
    const auto post = [this](core::Event event) { return loop_->Post(std::move(event)); };
    appender_ =
        std::make_unique<sessions::EventAppender>(store_, view_.signals(), telemetry_, post);
    hub_.Attach(post, *appender_);
    MakeEngineJobs(post);
    loop_->Start([this, &stop](const Error& error) {
      fatal_ = error;
      failed_ = true;
      stop.Notify();
    });
    engine_jobs_->Open();
    const int exit_code = Serve(stop);
    Stop();
    if (failed_) return Report(fatal_, kExitFailed);
    return exit_code;
  }

 private:
  int Serve(StopSignal& stop) {
    auto server = api::Server::Start(
        {config_.listen, config_.tls},
        api::Context{*loop_, view_, store_, configurations_, library_, data_.blobs, hub_, stopping_,
                     Keyring(), config_.engines, samples_, config_.prices},
        clock_, telemetry_, stopping_);
    if (!server) return Report(server.error(), kExitConflict);
    server_ = std::move(*server);
    if (!config_.address_file.empty()) {
      const Status written = WriteFileAtomically(config_.address_file, server_->address() + "\n");
      if (!written) return Report(written.error().WithContext("address_file"), kExitFailed);
    }
    log::Info(
        "serving",
        {{"address", server_->address()}, {"tls", config_.tls.IsSet()}, {"version", Version()}});
    stop.Wait();
    log::Info("stopping");
    return 0;
  }

  void MakeEngineJobs(const engine_jobs::PostEvent& post) {
    engine_jobs_ = std::make_unique<engine_jobs::EngineJobs>(
        engine_jobs::House{.blobs = data_.blobs,
                           .keyring = Keyring(),
                           .store = store_,
                           .appender = *appender_,
                           .clock = clock_,
                           .post = post,
                           .call = [this](const auto& event) { return loop_->Call(event); },
                           .timing = config_.engine_timing},
        config_.engines, view_, [this] { return hub_.DrawSession(); });
    gateways_.Attach(*engine_jobs_);
  }

  const secrets::Keyring* Keyring() const { return config_.keyring ? &*config_.keyring : nullptr; }

  void Stop() {
    stopping_ = true;
    hub_.Detach();
    if (server_) server_->Stop(kGracefulStop);
    engine_jobs_->Stop();
    appender_->Stop();
    loop_->Stop();
    std::error_code ignored;
    if (server_ && !config_.address_file.empty()) {
      std::filesystem::remove(config_.address_file, ignored);
    }
  }

  const Config& config_;
  const DataFolder& data_;
  telemetry::Telemetry& telemetry_;
  SystemClock clock_;
  runtime::MeasuredStore store_;
  runtime::View view_;
  sessions::SessionHub hub_;
  engine_jobs::Gateways gateways_{hub_};
  api::ConfigurationCache configurations_;
  estimation::DataSamples samples_;
  resources::ConfigurationLibrary library_;
  std::unique_ptr<runtime::Loop> loop_;
  std::unique_ptr<sessions::EventAppender> appender_;
  std::unique_ptr<engine_jobs::EngineJobs> engine_jobs_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  Error fatal_;  // written before failed_ is set
  std::unique_ptr<api::Server> server_;
};

}  // namespace

int RunCoordinator(const Config& config, StopSignal& stop) {
  log::SetLevel(config.log_level);
  const auto data = OpenDataFolder(config.data_dir);
  if (!data) {
    const bool in_use = data.error().code == ErrorCode::kFailedPrecondition;
    return Report(data.error(), in_use ? kExitConflict : kExitInvalidConfiguration);
  }
  telemetry::Telemetry telemetry;
  telemetry.Set(telemetry::metrics::kBuildInfo, 1,
                {{"program", "lathe-coordinator"}, {"version", Version()}});
  telemetry.Set(telemetry::metrics::kLeaderEpoch, 0);
  const auto exposition = telemetry::Exposition::Start(telemetry, config.metrics_listen);
  if (!exposition) return Report(exposition.error(), kExitConflict);
  log::Info("metrics", {{"address", (*exposition)->address()}});
  if (!config.metrics_address_file.empty()) {
    const Status written =
        WriteFileAtomically(config.metrics_address_file, (*exposition)->address() + "\n");
    if (!written) return Report(written.error().WithContext("metrics_address_file"), kExitFailed);
  }

  const auto store = OpenStore(config);
  if (!store) {
    const bool away = store.error().code == ErrorCode::kUnavailable;
    return Report(store.error(), away ? kExitUnavailable : kExitFailed);
  }
  const auto epoch = Lead(**store, data->identity, runtime::LoopOptions{}.leadership, stop);
  if (!epoch) {
    if (epoch.error().code == ErrorCode::kCancelled) return 0;
    return Report(epoch.error(), kExitUnavailable);
  }
  telemetry.Set(telemetry::metrics::kLeaderEpoch, static_cast<double>(*epoch));
  log::Info("leading", {{"epoch", *epoch}, {"identity", data->identity}});
  const int exit_code = Leader(config, *data, **store, telemetry).Run(stop);
  if (const Status released = (*store)->ReleaseLeadership(); !released) {
    log::Warning("leadership_not_released", {{"error", released.error().message}});
  }
  return exit_code;
}

}  // namespace lathe::coordinator
