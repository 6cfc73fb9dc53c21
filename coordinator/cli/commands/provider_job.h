#pragma once
// lathe provider start | status | cancel: jobs at services, by the service's own id.

#include <filesystem>
#include <string>

#include "coordinator/cli/context.h"

namespace lathe::cli {

struct ProviderStartOptions {
  std::string id;
  std::string file;
  std::filesystem::path dataset;
  std::filesystem::path validation;
  std::string request_id;  ///< empty: a fresh one
};

struct ProviderJobOptions {
  std::string id;
  std::string job;
};

/// Uploads the data to the coordinator, which sends it on and starts the job.
Outcome RunProviderStart(Context& context, const ProviderStartOptions& options);
Outcome RunProviderStatus(Context& context, const ProviderJobOptions& options);
Outcome RunProviderCancel(Context& context, const ProviderJobOptions& options);

}  // namespace lathe::cli
