#include "coordinator/runtime/measured_store.h"

#include <utility>

namespace lathe::runtime {

template <class Call>
auto MeasuredStore::Measure(const char* op, Call call) {
  const MonotonicInstant begin = clock_.MonotonicNow();
  auto result = call();
  telemetry_.Observe(telemetry::metrics::kRedisDuration, clock_.MonotonicNow() - begin,
                     {{"op", op}});
  if (!result) {
    telemetry_.Add(telemetry::metrics::kRedisErrors,
                   {{"op", op}, {"code", std::string(ToString(result.error().code))}});
  }
  return result;
}

Result<std::uint64_t> MeasuredStore::AcquireLeadership(const std::string& holder, Duration ttl) {
  return Measure("acquire_leadership", [&] { return store_.AcquireLeadership(holder, ttl); });
}

Status MeasuredStore::RenewLeadership(Duration ttl) {
  return Measure("renew_leadership", [&] { return store_.RenewLeadership(ttl); });
}

Status MeasuredStore::ReleaseLeadership() {
  return Measure("release_leadership", [&] { return store_.ReleaseLeadership(); });
}

Result<core::Records> MeasuredStore::Load() {
  return Measure("load", [&] { return store_.Load(); });
}

Status MeasuredStore::Commit(std::span<const core::Commit> commits) {
  return Measure("commit", [&] { return store_.Commit(commits); });
}

Result<std::vector<storage::AppendResult>> MeasuredStore::AppendEvents(
    std::span<const storage::EventBatch> batches) {
  return Measure("append_events", [&] { return store_.AppendEvents(batches); });
}

Result<std::vector<storage::StoredEvent>> MeasuredStore::ReadEvents(
    const domain::JobId& job, std::optional<core::EventId> after, std::size_t limit) {
  return Measure("read_events", [&] { return store_.ReadEvents(job, after, limit); });
}

Result<std::uint64_t> MeasuredStore::HighestMetricStep(const domain::JobId& job) {
  return Measure("highest_metric_step", [&] { return store_.HighestMetricStep(job); });
}

Result<std::string> MeasuredStore::ReadConfiguration(const std::string& hash) {
  return Measure("read_configuration", [&] { return store_.ReadConfiguration(hash); });
}

Result<storage::ResourceWriteResult> MeasuredStore::WriteResource(
    const storage::ResourceWrite& write) {
  return Measure("write_resource", [&] { return store_.WriteResource(write); });
}

Result<std::optional<storage::Resource>> MeasuredStore::ReadResource(
    const storage::ResourceId& id) {
  return Measure("read_resource", [&] { return store_.ReadResource(id); });
}

Result<std::vector<storage::ListedResource>> MeasuredStore::ListResources(
    const storage::ResourceIndex& index, const std::string& after, std::size_t limit) {
  return Measure("list_resources", [&] { return store_.ListResources(index, after, limit); });
}

Status MeasuredStore::PublishSchema(const storage::PublishedSchema& schema) {
  return Measure("publish_schema", [&] { return store_.PublishSchema(schema); });
}

Result<std::vector<Finding>> MeasuredStore::CheckDurability() {
  return Measure("check_durability", [&] { return store_.CheckDurability(); });
}

}  // namespace lathe::runtime
