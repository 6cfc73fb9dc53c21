#pragma once
// What `lathe up` was asked for. Kept in the data folder, so that the next `up` without options
// brings back the same cluster.

#include <filesystem>
#include <optional>
#include <string>

#include "common/base/result.h"
#include "coordinator/cli/local/layout.h"

namespace lathe::cli {

struct UpSettings {
  int workers = 1;
  bool cpu_only = false;
  int port = 7420;  ///< metrics on the ports after it; 0: any free ports
  std::filesystem::path models_dir;
};

/// Where metrics are served: the coordinator's on the port after its own, worker number N's N ports
/// further. 0 (any) stays 0.
inline constexpr int kCoordinatorMetricsOffset = 1;
int MetricsPort(const UpSettings& settings, int offset);

/// Options of one call; what is not set stays as it was.
struct UpOptions {
  std::filesystem::path data_dir;  ///< empty: the default one
  std::optional<int> workers;
  std::optional<bool> cpu_only;
  std::optional<int> port;
  std::filesystem::path models_dir;
};

/// The saved settings with the options applied. kDataLoss when the file is damaged.
Result<UpSettings> LoadSettings(const Layout& layout, const UpOptions& options);
/// Those of the options that differ from what is saved and only count from a start on: "--port".
/// Empty: none.
std::string ChangedOptions(const UpSettings& saved, const UpSettings& wanted);
Status SaveSettings(const Layout& layout, const UpSettings& settings);

/// The daemons' configuration files.
std::string CoordinatorConfig(const Layout& layout, const UpSettings& settings,
                              const std::string& listen);
/// `number` counts from 1. Cores are shared out evenly among the workers.
std::string WorkerConfig(const Layout& layout, const UpSettings& settings, int number,
                         const std::string& coordinator_address);
/// The name under which that worker registers.
std::string WorkerNodeId(int number);

}  // namespace lathe::cli
