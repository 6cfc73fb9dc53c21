#include "coordinator/storage/memory_store.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "coordinator/storage/memory_resources.h"
#include "coordinator/storage/state_event.h"

namespace lathe::storage {

/// What a Redis server would hold; each public function is one atomic call.
class MemoryDatabase {
 public:
  explicit MemoryDatabase(const Clock& clock) : clock_(clock) {}

  Result<std::uint64_t> Acquire(const std::string& holder, Duration ttl);
  Status Renew(std::uint64_t epoch, const std::string& holder, Duration ttl);
  void Release(std::uint64_t epoch);
  core::Records Load();
  Status Apply(std::uint64_t epoch, const core::Commit& commit);
  AppendResult Append(const EventBatch& batch);
  std::vector<StoredEvent> Read(const domain::JobId& job, std::optional<core::EventId> after,
                                std::size_t limit);
  std::uint64_t HighestMetricStep(const domain::JobId& job);
  Result<std::string> ReadConfiguration(const std::string& hash);
  Result<ResourceWriteResult> Write(std::uint64_t epoch, const ResourceWrite& write);
  std::optional<Resource> Read(const ResourceId& id);
  std::vector<ListedResource> List(const ResourceIndex& index, const std::string& after,
                                   std::size_t limit);
  Status Publish(std::uint64_t epoch, const PublishedSchema& schema);

 private:
  struct Entry {
    StoredEvent event;
    std::optional<std::uint64_t> step;
  };
  using Stream = std::map<core::EventId, Entry>;
  static bool Evaluated(const Stream& stream);

  Status CheckOrder(std::uint64_t epoch, const core::Commit& commit) const;
  Status CheckRevisions(const core::Commit& commit) const;
  void AddStateEvent(const core::StateEvent& event);

  const Clock& clock_;
  std::mutex mutex_;  ///< guards all that follows
  std::uint64_t epoch_ = 0;
  std::uint64_t applied_ = 0;
  std::string leader_;
  MonotonicInstant leader_until_{};
  std::unordered_map<domain::JobId, domain::Job> jobs_;
  std::map<domain::NodeId, domain::Node> nodes_;
  std::unordered_map<std::string, std::string> configurations_;
  std::unordered_map<domain::JobId, Stream> streams_;
  MemoryResources resources_;
  std::uint32_t schema_version_ = 0;
};

Result<std::uint64_t> MemoryDatabase::Acquire(const std::string& holder, Duration ttl) {
  const std::lock_guard lock(mutex_);
  const MonotonicInstant now = clock_.MonotonicNow();
  if (!leader_.empty() && leader_ != holder && now < leader_until_) {
    return Failure(ErrorCode::kFailedPrecondition, "coordinator " + leader_ + " leads");
  }
  leader_ = holder;
  leader_until_ = now + ttl;
  applied_ = 0;
  return ++epoch_;
}

Status MemoryDatabase::Renew(std::uint64_t epoch, const std::string& holder, Duration ttl) {
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_) return Failure(ErrorCode::kAborted, "another coordinator leads");
  leader_ = holder;
  leader_until_ = clock_.MonotonicNow() + ttl;
  return {};
}

void MemoryDatabase::Release(std::uint64_t epoch) {
  const std::lock_guard lock(mutex_);
  if (epoch == epoch_) leader_.clear();
}

core::Records MemoryDatabase::Load() {
  const std::lock_guard lock(mutex_);
  core::Records records;
  for (const auto& [id, job] : jobs_) records.jobs.push_back(job);
  for (const auto& [id, node] : nodes_) records.nodes.push_back(node);
  return records;
}

Status MemoryDatabase::CheckOrder(std::uint64_t epoch, const core::Commit& commit) const {
  if (epoch != epoch_) return Failure(ErrorCode::kAborted, "another coordinator leads");
  if (commit.sequence <= applied_ + 1) return {};
  return Failure(ErrorCode::kAborted, "commit " + std::to_string(commit.sequence) +
                                          " does not follow " + std::to_string(applied_));
}

Status MemoryDatabase::CheckRevisions(const core::Commit& commit) const {
  const auto check = [](const auto& stored, const auto& record) -> Status {
    const auto found = stored.find(record.id());
    const std::uint64_t have = found == stored.end() ? 0 : found->second.revision;
    if (have + 1 == record.revision) return {};
    return Failure(ErrorCode::kAborted,
                   record.id().value() + " is at revision " + std::to_string(have));
  };
  for (const domain::Job& job : commit.jobs) LATHE_RETURN_IF_ERROR(check(jobs_, job));
  for (const domain::Node& node : commit.nodes) LATHE_RETURN_IF_ERROR(check(nodes_, node));
  return {};
}

void MemoryDatabase::AddStateEvent(const core::StateEvent& event) {
  Stream& stream = streams_[event.job];
  if (stream.empty() || stream.rbegin()->first < event.id) {
    stream.emplace(event.id, Entry{ToStored(event), std::nullopt});
  }
}

Status MemoryDatabase::Apply(std::uint64_t epoch, const core::Commit& commit) {
  const std::lock_guard lock(mutex_);
  LATHE_RETURN_IF_ERROR(CheckOrder(epoch, commit));
  if (commit.sequence <= applied_) return {};
  LATHE_RETURN_IF_ERROR(CheckRevisions(commit));
  for (const domain::Job& job : commit.jobs) jobs_[job.id()] = job;
  for (const domain::Node& node : commit.nodes) nodes_[node.id()] = node;
  for (const auto& [hash, bytes] : commit.configurations) configurations_.try_emplace(hash, bytes);
  for (const core::StateEvent& event : commit.state_events) AddStateEvent(event);
  for (const core::Use& use : commit.uses) resources_.Count(use);
  applied_ = commit.sequence;
  return {};
}

// Whether an evaluation has come since the newest metric.
bool MemoryDatabase::Evaluated(const Stream& stream) {
  for (auto entry = stream.rbegin(); entry != stream.rend(); ++entry) {
    const std::string& type = entry->second.event.type;
    if (type == "metric" || type == "evaluation") return type == "evaluation";
  }
  return false;
}

AppendResult MemoryDatabase::Append(const EventBatch& batch) {
  const std::lock_guard lock(mutex_);
  AppendResult result;
  const auto found = streams_.find(batch.attempt.job);
  const core::EventId last = found == streams_.end() || found->second.empty()
                                 ? core::EventId{}
                                 : found->second.rbegin()->first;
  if (last.attempt != batch.attempt.attempt.value() || last.sequence == core::EventId::kSeal) {
    result.stale = batch.events.size();
    return result;
  }
  for (const EventRecord& event : batch.events) {
    const core::EventId id{last.attempt, event.sequence};
    const bool repeated = event.type == "evaluation" && Evaluated(found->second);
    if (id <= found->second.rbegin()->first || repeated) {
      ++result.duplicates;
      continue;
    }
    found->second.emplace(id, Entry{{id, event.type, event.time, event.json}, event.step});
    ++result.stored;
  }
  return result;
}

std::vector<StoredEvent> MemoryDatabase::Read(const domain::JobId& job,
                                              std::optional<core::EventId> after,
                                              std::size_t limit) {
  const std::lock_guard lock(mutex_);
  std::vector<StoredEvent> events;
  const auto found = streams_.find(job);
  if (found == streams_.end()) return events;
  auto entry = after ? found->second.upper_bound(*after) : found->second.begin();
  for (; entry != found->second.end() && events.size() < limit; ++entry) {
    events.push_back(entry->second.event);
  }
  return events;
}

std::uint64_t MemoryDatabase::HighestMetricStep(const domain::JobId& job) {
  const std::lock_guard lock(mutex_);
  const auto found = streams_.find(job);
  if (found == streams_.end()) return 0;
  const auto newest = std::find_if(found->second.rbegin(), found->second.rend(),
                                   [](const auto& entry) { return entry.second.step; });
  return newest == found->second.rend() ? 0 : *newest->second.step;
}

Result<std::string> MemoryDatabase::ReadConfiguration(const std::string& hash) {
  const std::lock_guard lock(mutex_);
  const auto found = configurations_.find(hash);
  if (found != configurations_.end()) return found->second;
  return Failure(ErrorCode::kNotFound, "no configuration " + hash + " is stored");
}

Result<ResourceWriteResult> MemoryDatabase::Write(std::uint64_t epoch, const ResourceWrite& write) {
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_) return Failure(ErrorCode::kAborted, "another coordinator leads");
  return resources_.Write(write, clock_.MonotonicNow());
}

std::optional<Resource> MemoryDatabase::Read(const ResourceId& id) {
  const std::lock_guard lock(mutex_);
  return resources_.Read(id);
}

std::vector<ListedResource> MemoryDatabase::List(const ResourceIndex& index,
                                                 const std::string& after, std::size_t limit) {
  const std::lock_guard lock(mutex_);
  return resources_.List(index, after, limit);
}

Status MemoryDatabase::Publish(std::uint64_t epoch, const PublishedSchema& schema) {
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_) return Failure(ErrorCode::kAborted, "another coordinator leads");
  if (schema_version_ > schema.version) {
    return Failure(ErrorCode::kFailedPrecondition,
                   "the configuration schema in the store is of "
                   "version " +
                       std::to_string(schema_version_));
  }
  schema_version_ = schema.version;
  return {};
}

namespace {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(std::shared_ptr<MemoryDatabase> database) : database_(std::move(database)) {}

  Result<std::uint64_t> AcquireLeadership(const std::string& holder, Duration ttl) override {
    LATHE_ASSIGN_OR_RETURN(epoch_, database_->Acquire(holder, ttl));
    holder_ = holder;
    return epoch_;
  }
  Status RenewLeadership(Duration ttl) override { return database_->Renew(epoch_, holder_, ttl); }
  Status ReleaseLeadership() override {
    database_->Release(epoch_);
    return {};
  }
  Result<core::Records> Load() override { return database_->Load(); }
  Status Commit(std::span<const core::Commit> commits) override {
    for (const core::Commit& commit : commits) {
      if (!commit.Empty()) LATHE_RETURN_IF_ERROR(database_->Apply(epoch_, commit));
    }
    return {};
  }
  Result<std::vector<AppendResult>> AppendEvents(std::span<const EventBatch> batches) override {
    std::vector<AppendResult> results;
    for (const EventBatch& batch : batches) results.push_back(database_->Append(batch));
    return results;
  }
  Result<std::vector<StoredEvent>> ReadEvents(const domain::JobId& job,
                                              std::optional<core::EventId> after,
                                              std::size_t limit) override {
    return database_->Read(job, after, limit);
  }
  Result<std::uint64_t> HighestMetricStep(const domain::JobId& job) override {
    return database_->HighestMetricStep(job);
  }
  Result<std::string> ReadConfiguration(const std::string& hash) override {
    return database_->ReadConfiguration(hash);
  }
  Result<ResourceWriteResult> WriteResource(const ResourceWrite& write) override {
    return database_->Write(epoch_, write);
  }
  Result<std::optional<Resource>> ReadResource(const ResourceId& id) override {
    return database_->Read(id);
  }
  Result<std::vector<ListedResource>> ListResources(const ResourceIndex& index,
                                                    const std::string& after,
                                                    std::size_t limit) override {
    return database_->List(index, after, limit);
  }
  Status PublishSchema(const PublishedSchema& schema) override {
    return database_->Publish(epoch_, schema);
  }
  Result<std::vector<Finding>> CheckDurability() override {
    return std::vector<Finding>{{.path = "store",
                                 .severity = Severity::kWarning,
                                 .code = "not_durable",
                                 .message = "this store keeps everything in memory"}};
  }

 private:
  std::shared_ptr<MemoryDatabase> database_;
  /// Set before the store is used by more than one thread.
  std::uint64_t epoch_ = 0;
  std::string holder_;
};

}  // namespace

std::shared_ptr<MemoryDatabase> MakeMemoryDatabase(const Clock& clock) {
  return std::make_shared<MemoryDatabase>(clock);
}

std::unique_ptr<Store> MakeMemoryStore(std::shared_ptr<MemoryDatabase> database) {
  return std::make_unique<MemoryStore>(std::move(database));
}

}  // namespace lathe::storage
