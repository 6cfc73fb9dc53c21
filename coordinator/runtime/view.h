#pragma once
// What readers see: jobs and nodes as of the last durable commit. Records are shared and never
// changed once published, so a reader holds no lock while it looks. Thread-safe.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/domain/ids.h"
#include "common/domain/job.h"
#include "common/domain/node.h"
#include "coordinator/core/commit.h"
#include "coordinator/core/state.h"
#include "coordinator/runtime/change_signals.h"

namespace lathe::runtime {

// Shared: the view replaces its reference while readers still look at the record.
using JobPtr = std::shared_ptr<const domain::Job>;

/// A node and what the live jobs hold of it.
struct NodeView {
  domain::Node node;
  std::vector<domain::JobId> jobs;
  std::uint32_t gpus_in_use = 0;
  std::uint32_t cpu_slots_in_use = 0;
};

// Shared: a submission reads it, and there may be thousands of both.
using NodesPtr = std::shared_ptr<const std::vector<NodeView>>;

/// A place in the list of jobs, newest first. A page begins after one.
struct ListPosition {
  Instant created{};
  domain::JobId id;
  friend bool operator==(const ListPosition&, const ListPosition&) = default;
};

class View {
 public:
  /// At most that many watches at once.
  explicit View(std::size_t max_watches) : signals_(max_watches) {}

  /// The records a coordinator begins with.
  void Load(const core::Records& records);
  /// Takes a durable commit in and wakes the watchers of its jobs.
  void Apply(const core::Commit& commit);

  /// Null when there is no such job.
  JobPtr Job(const domain::JobId& id) const;
  /// Up to `limit` jobs after a position for which `accept` holds, newest first.
  std::vector<JobPtr> List(const std::optional<ListPosition>& after, std::size_t limit,
                           const std::function<bool(const domain::Job&)>& accept) const;
  /// Machines; engines beyond the cluster are none. The same list until one of them or a live job
  /// changes.
  NodesPtr Nodes() const;
  /// Jobs in a state.
  std::size_t Count(domain::JobState state) const;

  ChangeSignals& signals() { return signals_; }

 private:
  struct NewestFirst {
    bool operator()(const ListPosition& a, const ListPosition& b) const;
  };
  void Put(const domain::Job& job);
  std::vector<NodeView> MakeNodes() const;

  mutable std::mutex mutex_;
  std::map<domain::JobId, JobPtr> jobs_;
  std::map<ListPosition, JobPtr, NewestFirst> order_;
  std::set<domain::JobId> live_;
  std::map<domain::NodeId, domain::Node> nodes_;
  mutable NodesPtr shown_nodes_;         // null: to be made
  std::array<std::size_t, 8> counts_{};  // by the number of the state
  ChangeSignals signals_;
};

}  // namespace lathe::runtime
