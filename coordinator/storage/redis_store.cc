#include "coordinator/storage/redis_store.h"

#include <atomic>
#include <map>
#include <utility>

#include "coordinator/storage/record_codec.h"
#include "coordinator/storage/redis_commands.h"
#include "coordinator/storage/redis_connection.h"
#include "coordinator/storage/redis_replies.h"
#include "coordinator/storage/redis_setup.h"

namespace lathe::storage {
namespace {

std::string Milliseconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

/// Fields come as name, value, name, value, ...
std::string FieldOf(const redisReply& fields, std::string_view name) {
  for (std::size_t i = 0; i + 1 < fields.elements; i += 2) {
    if (Text(*fields.element[i]) == name) return Text(*fields.element[i + 1]);
  }
  return {};
}

Result<StoredEvent> ToEvent(const redisReply& entry) {
  const std::string id_text = Text(*entry.element[0]);
  const auto id = core::ParseEventId(id_text);
  if (!id) return Failure(ErrorCode::kDataLoss, "redis: not an event's id: " + id_text);
  const redisReply& fields = *entry.element[1];
  LATHE_ASSIGN_OR_RETURN(const long long micros, ParseInteger(FieldOf(fields, "time")));
  return StoredEvent{*id, FieldOf(fields, "type"), FromMicros(micros), FieldOf(fields, "json")};
}

/// Strips the revision, which the functions read, off the record's bytes.
std::string_view RecordBytes(std::string_view stored) {
  const std::size_t colon = stored.find(':');
  return colon == std::string_view::npos ? std::string_view() : stored.substr(colon + 1);
}

class RedisStore final : public Store {
 public:
  explicit RedisStore(RedisOptions options)
      : keys_(options.prefix), control_(options), streams_(options), resources_(options) {}

  Status Prepare() { return PrepareServer(control_, keys_); }

  Result<std::uint64_t> AcquireLeadership(const std::string& holder, Duration ttl) override;
  Status RenewLeadership(Duration ttl) override;
  Status ReleaseLeadership() override;
  Result<core::Records> Load() override;
  Status Commit(std::span<const core::Commit> commits) override;
  Result<std::vector<AppendResult>> AppendEvents(std::span<const EventBatch> batches) override;
  Result<std::vector<StoredEvent>> ReadEvents(const domain::JobId& job,
                                              std::optional<core::EventId> after,
                                              std::size_t limit) override;
  Result<std::uint64_t> HighestMetricStep(const domain::JobId& job) override;
  Result<std::string> ReadConfiguration(const std::string& hash) override;
  Result<ResourceWriteResult> WriteResource(const ResourceWrite& write) override;
  Result<std::optional<Resource>> ReadResource(const ResourceId& id) override;
  Result<std::vector<ListedResource>> ListResources(const ResourceIndex& index,
                                                    const std::string& after,
                                                    std::size_t limit) override;
  Status PublishSchema(const PublishedSchema& schema) override;
  Result<std::vector<Finding>> CheckDurability() override {
    return CheckServerDurability(control_);
  }

 private:
  std::string EpochText() const { return std::to_string(epoch_); }

  template <class Record>
  Status LoadHash(const std::string& key, Result<Record> (*decode)(std::string_view),
                  std::vector<Record>& records);

  const RedisKeys keys_;
  /// Conversations of their own, so that a long read of events or lists never delays a commit.
  RedisConnection control_;
  RedisConnection streams_;
  RedisConnection resources_;
  std::atomic<std::uint64_t> epoch_ = 0;
  std::string holder_;  ///< set before the store is used by more than one thread
};

Result<std::uint64_t> RedisStore::AcquireLeadership(const std::string& holder, Duration ttl) {
  auto reply = control_.Call({"FCALL", "lathe_acquire", "3", keys_.Leader(), keys_.Epoch(),
                              keys_.Applied(), holder, Milliseconds(ttl)});
  if (!reply && reply.error().code == ErrorCode::kFailedPrecondition) {
    return Failure(reply.error().WithContext("another coordinator leads"));
  }
  if (!reply) return Failure(reply.error());
  holder_ = holder;
  epoch_ = static_cast<std::uint64_t>((*reply)->integer);
  return epoch_.load();
}

Status RedisStore::RenewLeadership(Duration ttl) {
  LATHE_ASSIGN_OR_RETURN(auto reply,
                         control_.Call({"FCALL", "lathe_renew", "3", keys_.Leader(), keys_.Epoch(),
                                        keys_.Applied(), EpochText(), holder_, Milliseconds(ttl)}));
  return {};
}

Status RedisStore::ReleaseLeadership() {
  LATHE_ASSIGN_OR_RETURN(auto reply, control_.Call({"FCALL", "lathe_release", "3", keys_.Leader(),
                                                    keys_.Epoch(), keys_.Applied(), EpochText()}));
  return {};
}

/// A scan may show a field twice while the hash is resized.
template <class Record>
Status RedisStore::LoadHash(const std::string& key, Result<Record> (*decode)(std::string_view),
                            std::vector<Record>& records) {
  std::map<std::string, Record> found;
  std::string cursor = "0";
  do {
    LATHE_ASSIGN_OR_RETURN(auto reply, control_.Call({"HSCAN", key, cursor, "COUNT", "1000"}));
    cursor = Text(*reply->element[0]);
    const redisReply& fields = *reply->element[1];
    for (std::size_t i = 0; i + 1 < fields.elements; i += 2) {
      const std::string stored = Text(*fields.element[i + 1]);
      LATHE_ASSIGN_OR_RETURN(auto record, decode(RecordBytes(stored)));
      found.insert_or_assign(Text(*fields.element[i]), std::move(record));
    }
  } while (cursor != "0");
  for (auto& [id, record] : found) records.push_back(std::move(record));
  return {};
}

Result<core::Records> RedisStore::Load() {
  core::Records records;
  LATHE_RETURN_IF_ERROR(LoadHash(keys_.Jobs(), &DecodeJob, records.jobs));
  LATHE_RETURN_IF_ERROR(LoadHash(keys_.Nodes(), &DecodeNode, records.nodes));
  return records;
}

Status RedisStore::Commit(std::span<const core::Commit> commits) {
  std::vector<RedisCommand> commands;
  for (const core::Commit& commit : commits) {
    if (!commit.Empty()) commands.push_back(CommitCommand(keys_, epoch_, commit));
  }
  if (commands.empty()) return {};
  // What follows a refused commit is refused as a gap: the first error tells why.
  const Status status = control_.Transaction(commands);
  if (!status) return Failure(status.error().WithContext("commit"));
  return {};
}

Result<std::vector<AppendResult>> RedisStore::AppendEvents(std::span<const EventBatch> batches) {
  std::vector<RedisCommand> commands;
  for (const EventBatch& batch : batches) commands.push_back(AppendCommand(keys_, batch));
  std::vector<AppendResult> results;
  if (commands.empty()) return results;
  LATHE_ASSIGN_OR_RETURN(auto replies, streams_.Pipeline(commands));
  for (auto& reply : replies) {
    if (!reply) return Failure(reply.error().WithContext("append events"));
    const auto count = [&](std::size_t i) {
      return static_cast<std::uint64_t>((*reply)->element[i]->integer);
    };
    results.push_back({count(0), count(1), count(2)});
  }
  return results;
}

Result<std::vector<StoredEvent>> RedisStore::ReadEvents(const domain::JobId& job,
                                                        std::optional<core::EventId> after,
                                                        std::size_t limit) {
  const std::string from = after ? "(" + ToString(*after) : "-";
  LATHE_ASSIGN_OR_RETURN(auto reply, streams_.Call({"XRANGE", keys_.Events(job), from, "+", "COUNT",
                                                    std::to_string(limit)}));
  std::vector<StoredEvent> events;
  for (std::size_t i = 0; i < reply->elements; ++i) {
    LATHE_ASSIGN_OR_RETURN(auto event, ToEvent(*reply->element[i]));
    events.push_back(std::move(event));
  }
  return events;
}

Result<std::uint64_t> RedisStore::HighestMetricStep(const domain::JobId& job) {
  LATHE_ASSIGN_OR_RETURN(auto reply,
                         streams_.Call({"FCALL_RO", "lathe_highest_step", "1", keys_.Events(job)}));
  LATHE_ASSIGN_OR_RETURN(const long long step, ParseInteger(Text(*reply)));
  return static_cast<std::uint64_t>(step);
}

Result<std::string> RedisStore::ReadConfiguration(const std::string& hash) {
  LATHE_ASSIGN_OR_RETURN(auto reply, streams_.Call({"HGET", keys_.Configurations(), hash}));
  if (reply->type != REDIS_REPLY_NIL) return Text(*reply);
  return Failure(ErrorCode::kNotFound, "no configuration " + hash + " is stored");
}

Result<ResourceWriteResult> RedisStore::WriteResource(const ResourceWrite& write) {
  LATHE_ASSIGN_OR_RETURN(auto reply, resources_.Call(WriteCommand(keys_, epoch_, write)));
  return ReadWriteReply(*reply);
}

Result<std::optional<Resource>> RedisStore::ReadResource(const ResourceId& id) {
  LATHE_ASSIGN_OR_RETURN(auto reply, resources_.Call({"HMGET", keys_.Resource(id.kind, id.key),
                                                      "revision", "head", "body", "uses", "used"}));
  return ReadResourceReply(*reply);
}

Result<std::vector<ListedResource>> RedisStore::ListResources(const ResourceIndex& index,
                                                              const std::string& after,
                                                              std::size_t limit) {
  LATHE_ASSIGN_OR_RETURN(
      auto reply, resources_.Call({"FCALL_RO", "lathe_list", "1", keys_.Index(index),
                                   keys_.Resource(index.kind, ""), after, std::to_string(limit)}));
  return ReadListReply(*reply);
}

Status RedisStore::PublishSchema(const PublishedSchema& schema) {
  LATHE_ASSIGN_OR_RETURN(auto reply, control_.Call({"FCALL", "lathe_publish_schema", "2",
                                                    keys_.Epoch(), keys_.ConfigurationSchema(),
                                                    EpochText(), std::to_string(schema.version),
                                                    schema.json_schema, schema.descriptors}));
  return {};
}

}  // namespace

Result<std::unique_ptr<Store>> OpenRedisStore(RedisOptions options) {
  auto store = std::make_unique<RedisStore>(std::move(options));
  LATHE_RETURN_IF_ERROR(store->Prepare());
  return store;
}

}  // namespace lathe::storage
