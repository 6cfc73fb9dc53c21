#pragma once
// A store whose calls are timed and whose failures are counted. Thread-safe like the one inside.

#include "common/telemetry/telemetry.h"
#include "coordinator/storage/store.h"

namespace lathe::runtime {

class MeasuredStore final : public storage::Store {
 public:
  /// All three must outlive it.
  MeasuredStore(storage::Store& store, const Clock& clock, telemetry::Telemetry& telemetry)
      : store_(store), clock_(clock), telemetry_(telemetry) {}

  Result<std::uint64_t> AcquireLeadership(const std::string& holder, Duration ttl) override;
  Status RenewLeadership(Duration ttl) override;
  Status ReleaseLeadership() override;
  Result<core::Records> Load() override;
  Status Commit(std::span<const core::Commit> commits) override;
  Result<std::vector<storage::AppendResult>> AppendEvents(
      std::span<const storage::EventBatch> batches) override;
  Result<std::vector<storage::StoredEvent>> ReadEvents(const domain::JobId& job,
                                                       std::optional<core::EventId> after,
                                                       std::size_t limit) override;
  Result<std::uint64_t> HighestMetricStep(const domain::JobId& job) override;
  Result<std::string> ReadConfiguration(const std::string& hash) override;
  Result<storage::ResourceWriteResult> WriteResource(const storage::ResourceWrite& write) override;
  Result<std::optional<storage::Resource>> ReadResource(const storage::ResourceId& id) override;
  Result<std::vector<storage::ListedResource>> ListResources(const storage::ResourceIndex& index,
                                                             const std::string& after,
                                                             std::size_t limit) override;
  Status PublishSchema(const storage::PublishedSchema& schema) override;
  Result<std::vector<Finding>> CheckDurability() override;

 private:
  template <class Call>
  auto Measure(const char* op, Call call);

  storage::Store& store_;
  const Clock& clock_;
  telemetry::Telemetry& telemetry_;
};

}  // namespace lathe::runtime
