#pragma once
// The live state of the cluster: the records, and what only matters while this process leads
// (streams, leases, back-offs, indexes). Owned by the loop; not thread-safe, not copyable (the
// queue points into the jobs). Only Step changes it.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/ids.h"
#include "common/domain/job.h"
#include "common/domain/lease.h"
#include "common/domain/node.h"
#include "coordinator/scheduler/snapshot.h"

namespace lathe::core {

/// Both clocks of one moment: wall time is stored and shown, deadlines are monotonic.
struct Now {
  Instant wall{};
  MonotonicInstant monotonic{};
};

struct Settings {
  domain::LeaseTerms lease;
  /// Tries of a job that ends by a fault before any further checkpoint; at least 1.
  std::uint32_t max_attempts = 3;
  /// Wait before the second try; doubles with each further fault, up to the longest.
  Duration retry_delay = std::chrono::seconds(1);
  Duration longest_retry_delay = std::chrono::seconds(60);
  /// A request id means the same job for this long.
  Duration request_id_lifetime = std::chrono::hours(24);
  /// Longer pauses between two steps are taken as the coordinator's own absence (a slow store, a
  /// stopped process) and do not count against the nodes.
  Duration longest_pause = std::chrono::seconds(2);
};

/// A node and what it holds.
struct NodeEntry {
  domain::Node node;
  domain::SessionId session;  ///< 0: no stream
  domain::Lease lease;        ///< meaningful while the node is ready
  Instant last_heard{};       ///< registration or heartbeat; not stored
  /// What its trainer cannot do, sorted; told on each stream, not stored.
  std::optional<std::vector<std::string>> lacks;
  std::set<domain::JobId> jobs;
  std::set<std::uint32_t> gpus_in_use;
  std::uint32_t cpu_slots_in_use = 0;

  bool connected() const { return session != domain::SessionId{}; }
};

/// A pending job's place in the queue. `shape` numbers what a placement depends on (resources, base
/// model, features), so that a pass over many alike jobs looks at each kind once.
struct QueueEntry {
  const domain::Job* job = nullptr;
  std::uint32_t shape = 0;
};
/// Priority, then age, then id.
struct QueueOrder {
  bool operator()(const QueueEntry& a, const QueueEntry& b) const;
};

/// What a store holds at start.
struct Records {
  std::vector<domain::Job> jobs;
  std::vector<domain::Node> nodes;
};

struct State {
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  State(State&&) = default;
  State& operator=(State&&) = default;

  Settings settings;
  std::unordered_map<domain::JobId, domain::Job> jobs;
  std::map<domain::NodeId, NodeEntry> nodes;
  std::set<QueueEntry, QueueOrder> queue;  ///< exactly the pending jobs
  /// Pending jobs that may not start yet, by when they may.
  std::unordered_map<domain::JobId, MonotonicInstant> retry_at;
  std::unordered_map<std::string, domain::JobId> requests;  ///< by RequestKey
  /// Numbered in order of appearance; the keys stay where they are.
  std::map<scheduler::Shape, std::uint32_t> shapes;
  std::vector<const scheduler::Shape*> shape_by_number;
  std::unordered_set<std::string> configurations;  ///< hashes that the store has
  std::uint64_t last_commit = 0;
  MonotonicInstant last_step{};
};

/// The state of a coordinator that begins to lead: every node that holds attempts gets a full lease
/// to come back in.
State Recover(const Settings& settings, Records records, const Now& now);

/// A request id is the owner's own.
std::string RequestKey(const domain::JobSpec& spec);

/// Every broken rule of the state in one sentence each; empty when it is sound: no GPU or slot
/// given twice, usage equal to the sum of the jobs, one live attempt a job on a known node, the
/// queue exactly the pending jobs, final jobs with an end and without resources, reasons that fit.
std::vector<std::string> CheckInvariants(const State& state);

}  // namespace lathe::core
