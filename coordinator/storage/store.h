#pragma once
// Where a coordinator keeps what must survive it: records, configurations, the streams of events,
// and who leads. Two implementations: memory_store.h and redis_store.h, held to the same contract
// tests.
//
// Errors: kUnavailable when the store can't be reached, is loading or out of time (nobody knows
// whether the call took effect; every call may be repeated), kAborted when this coordinator no
// longer leads or a record is not as it left it, kResourceExhausted when the store is full,
// kDataLoss when what is stored can't be read.
//
// Thread-safe: sessions append and read events while the loop commits.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/domain/ids.h"
#include "coordinator/core/commit.h"
#include "coordinator/core/state.h"
#include "coordinator/storage/resource.h"

namespace lathe::storage {

/// A line of an attempt's event log, as a worker sends it.
struct EventRecord {
  std::uint64_t sequence = 0;  ///< from 1
  std::string type;            ///< metric, evaluation, checkpoint, log, ...
  Instant time{};
  std::optional<std::uint64_t> step;  ///< of a metric: what HighestMetricStep looks for
  std::string json;                   ///< the event as a JSON object
};

struct EventBatch {
  domain::AttemptKey attempt;
  std::vector<EventRecord> events;  ///< sequences grow
};

struct AppendResult {
  std::uint64_t stored = 0;
  std::uint64_t duplicates = 0;  ///< refused: the stream had them already
  /// Refused: a newer attempt has begun, or this one has been closed. Acknowledge and forget.
  std::uint64_t stale = 0;
  friend bool operator==(const AppendResult&, const AppendResult&) = default;
};

struct StoredEvent {
  core::EventId id;
  std::string type;
  Instant time{};
  std::string json;
  friend bool operator==(const StoredEvent&, const StoredEvent&) = default;
};

/// The schema of job configurations, as other programs may read it from the store.
struct PublishedSchema {
  std::uint32_t version = 0;
  std::string json_schema;
  std::string descriptors;  ///< a serialized google.protobuf.FileDescriptorSet
};

/// Whether the same call may succeed later: the store is away or full. All else is final.
constexpr bool IsTransient(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kDeadlineExceeded ||
         code == ErrorCode::kResourceExhausted;
}

class Store {
 public:
  virtual ~Store() = default;

  /// Begins to lead under `holder`, a name that is stable over restarts of one coordinator and its
  /// own. Whoever led before under this name is fenced at once; another holder keeps the others out
  /// until its time has passed. The new epoch; kFailedPrecondition, naming the holder, while
  /// another one leads. Commit sequences begin at 1 again.
  virtual Result<std::uint64_t> AcquireLeadership(const std::string& holder, Duration ttl) = 0;
  /// kAborted when another one leads meanwhile.
  virtual Status RenewLeadership(Duration ttl) = 0;
  /// Lets a standby take over at once. Nothing happens when another one leads.
  virtual Status ReleaseLeadership() = 0;

  /// Every record.
  virtual Result<core::Records> Load() = 0;

  /// Applies the commits in order, each as a whole, durably, in one round trip; empty ones are
  /// skipped. After kUnavailable the same span may be given again: a commit whose sequence has been
  /// applied is not applied twice.
  virtual Status Commit(std::span<const core::Commit> commits) = 0;

  /// Appends to the jobs' streams, durably, one result a batch. An event is stored exactly once,
  /// whatever is repeated.
  virtual Result<std::vector<AppendResult>> AppendEvents(std::span<const EventBatch> batches) = 0;
  /// Stored events in order, after `after` (nullopt: from the first), at most `limit`.
  virtual Result<std::vector<StoredEvent>> ReadEvents(const domain::JobId& job,
                                                      std::optional<core::EventId> after,
                                                      std::size_t limit) = 0;
  /// The step of the newest stored metric; 0 when there is none.
  virtual Result<std::uint64_t> HighestMetricStep(const domain::JobId& job) = 0;

  /// kNotFound when no such configuration is stored.
  virtual Result<std::string> ReadConfiguration(const std::string& hash) = 0;

  /// Puts or removes one resource, durably. kAborted only when another coordinator leads.
  virtual Result<ResourceWriteResult> WriteResource(const ResourceWrite& write) = 0;
  /// nullopt when there is none.
  virtual Result<std::optional<Resource>> ReadResource(const ResourceId& id) = 0;
  /// Up to `limit` resources of an index after a position (empty: from the first). What it costs
  /// does not depend on how many there are.
  virtual Result<std::vector<ListedResource>> ListResources(const ResourceIndex& index,
                                                            const std::string& after,
                                                            std::size_t limit) = 0;

  /// kFailedPrecondition when a newer version has been published: what is stored may be of it.
  virtual Status PublishSchema(const PublishedSchema& schema) = 0;

  /// What about the store's settings could lose acknowledged work, for the log and the operator.
  virtual Result<std::vector<Finding>> CheckDurability() = 0;
};

}  // namespace lathe::storage
