#include "coordinator/cli/local/settings.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/base/file_io.h"
#include "common/yaml/writer.h"
#include "coordinator/cli/local/probes.h"

namespace lathe::cli {
namespace {

Status ReadSaved(const Layout& layout, UpSettings& settings) {
  const Result<std::string> text = ReadFile(layout.settings_file(), 1 << 16);
  if (!text) {
    return text.error().code == ErrorCode::kNotFound ? Status{} : Status{Failure(text.error())};
  }
  const auto saved = nlohmann::json::parse(*text, nullptr, false);
  if (!saved.is_object()) {
    return Failure(Error{ErrorCode::kDataLoss,
                         layout.settings_file().string() + " is damaged",
                         {},
                         "remove it and give the options of `lathe up` again"});
  }
  settings.workers = saved.value("workers", settings.workers);
  settings.cpu_only = saved.value("cpuOnly", settings.cpu_only);
  settings.port = saved.value("port", settings.port);
  settings.models_dir = saved.value("modelsDir", settings.models_dir.string());
  return {};
}

std::string Loopback(int port) {
  return "127.0.0.1:" + std::to_string(port);
}

/// A daemon's file of settings.
class ConfigFile {
 public:
  ConfigFile() { out_.BeginMap(); }

  void Set(std::string_view key, const std::string& value) {
    out_.String(key);
    out_.String(value);
  }
  void Set(std::string_view key, int value) {
    out_.String(key);
    out_.Bare(std::to_string(value));
  }

  std::string Text() {
    out_.EndMap();
    return "# Written by `lathe up`; changes are lost at the next one.\n" + out_.Take();
  }

 private:
  yaml::Writer out_;
};

}  // namespace

int MetricsPort(const UpSettings& settings, int offset) {
  return settings.port == 0 ? 0 : settings.port + offset;
}

Result<UpSettings> LoadSettings(const Layout& layout, const UpOptions& options) {
  UpSettings settings{.models_dir = layout.models_dir()};
  try {
    LATHE_RETURN_IF_ERROR(ReadSaved(layout, settings));
  } catch (const nlohmann::json::exception& wrong_type) {
    return Failure(ErrorCode::kDataLoss,
                   layout.settings_file().string() + " is damaged: " + wrong_type.what());
  }
  settings.workers = options.workers.value_or(settings.workers);
  settings.cpu_only = options.cpu_only.value_or(settings.cpu_only);
  settings.port = options.port.value_or(settings.port);
  if (!options.models_dir.empty())
    settings.models_dir = std::filesystem::absolute(options.models_dir);
  return settings;
}

std::string ChangedOptions(const UpSettings& saved, const UpSettings& wanted) {
  std::string names;
  const auto add = [&](bool changed, const char* name) {
    if (changed) names += (names.empty() ? "" : ", ") + std::string(name);
  };
  add(saved.port != wanted.port, "--port");
  add(saved.cpu_only != wanted.cpu_only, "--cpu");
  add(saved.models_dir != wanted.models_dir, "--models");
  return names;
}

Status SaveSettings(const Layout& layout, const UpSettings& settings) {
  const nlohmann::json saved = {{"workers", settings.workers},
                                {"cpuOnly", settings.cpu_only},
                                {"port", settings.port},
                                {"modelsDir", settings.models_dir.string()}};
  return WriteFileAtomically(layout.settings_file(), saved.dump(2) + "\n");
}

std::string CoordinatorConfig(const Layout& layout, const UpSettings& settings,
                              const std::string& listen) {
  ConfigFile config;
  config.Set("listen", listen);
  config.Set("metrics_listen", Loopback(MetricsPort(settings, kCoordinatorMetricsOffset)));
  config.Set("redis", "unix://" + layout.redis_socket().string());
  config.Set("data_dir", layout.coordinator_dir().string());
  config.Set("secrets_key_file", layout.secrets_key_file().string());
  config.Set("address_file", layout.address_file().string());
  return config.Text();
}

std::string WorkerConfig(const Layout& layout, const UpSettings& settings, int number,
                         const std::string& coordinator_address) {
  const std::string name = Layout::WorkerName(number);
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  ConfigFile config;
  config.Set("coordinator", coordinator_address);
  config.Set("data_dir", layout.worker_dir(number).string());
  config.Set("models_dir", settings.models_dir.string());
  config.Set("node_id", WorkerNodeId(number));
  config.Set("cpu_threads", std::max(1, cores / settings.workers));
  // One worker alone may use the GPUs: two would both give the same ones away.
  config.Set("gpus", std::string(settings.cpu_only || number > 1 ? "none" : "auto"));
  config.Set("metrics_listen", Loopback(MetricsPort(settings, kCoordinatorMetricsOffset + number)));
  config.Set("metrics_address_file", layout.metrics_address_file(name).string());
  return config.Text();
}

std::string WorkerNodeId(int number) {
  return HostName() + "-" + std::to_string(number);
}

}  // namespace lathe::cli
