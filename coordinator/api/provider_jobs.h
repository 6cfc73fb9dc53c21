#pragma once
// Jobs at services: from requests to calls of coordinator/providers and back. Thread-safe; each
// call blocks as long as the service takes.

#include <atomic>

#include "coordinator/api/context.h"
#include "coordinator/providers/remote_job.h"
#include "lathe/v1/provider_service.pb.h"

namespace lathe::api {

class ProviderJobs {
 public:
  /// `stopping` of the context ends waits between tries.
  explicit ProviderJobs(const Context& context);

  /// Errors as ProviderService says.
  Result<v1::ProviderJob> Start(const v1::StartProviderJobRequest& request) const;
  Result<v1::ProviderJob> Get(const v1::GetProviderJobRequest& request) const;
  Result<v1::ProviderJob> Cancel(const v1::CancelProviderJobRequest& request) const;

 private:
  /// The engine, when jobs can be started there.
  Result<providers::RemoteEngine> Reach(const std::string& id) const;
  Result<std::map<std::string, providers::DataFile>> Files(
      const std::vector<std::string>& roles, const v1::DatasetsConfiguration& datasets) const;

  const Context context_;
  const providers::HttpClient http_;
};

}  // namespace lathe::api
