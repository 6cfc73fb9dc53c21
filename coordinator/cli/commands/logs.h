#pragma once
// lathe logs, lathe metrics: what was recorded of a job, in order and each entry once.

#include <string>

#include "coordinator/cli/context.h"
#include "lathe/v1/job.pb.h"

namespace lathe::cli {

struct LogsOptions {
  std::string job;
  bool follow = false;
  bool all = false;  ///< also metrics, phases and checkpoints
};
/// One line an entry; with JSON or YAML one document an entry, as they come.
Outcome RunLogs(Context& context, const LogsOptions& options);

/// "2026-11-21 10:22:00  state        running: Trains.".
std::string LogLine(const v1::JobEvent& event);

struct MetricsOptions {
  std::string job;
  bool evaluations = false;  ///< the validation losses instead of the training steps
};
Outcome RunMetrics(Context& context, const MetricsOptions& options);

}  // namespace lathe::cli
